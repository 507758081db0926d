/**
 * Everything that can be said of the code without running it, in two lanes: types, lint, format and
 * the rules of the house. The exit status is 0 only if all of it is in order.
 */
import { spawn } from 'node:child_process';

const CACHE = 'node_modules/.cache';

/** Each lane runs its commands one after the other, beside the other lane. */
const lanes = [
  [`eslint --cache --cache-location ${CACHE}/eslint/ .`],
  [
    `tsc -p tsconfig.tests.json --incremental --tsBuildInfoFile ${CACHE}/tests.tsbuildinfo`,
    'prettier --check --log-level warn --cache .',
    'npm run --silent jest -- --silent test/architecture.spec.ts',
  ],
];

function run(command) {
  return new Promise((done) => {
    // npm puts the tools of the project first in the path.
    const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.once('close', (code) => {
      process.stdout.write(`${code === 0 ? 'ok    ' : 'FAILED'} ${command}\n`);
      if (code !== 0) process.stdout.write(output);
      done(code === 0);
    });
  });
}

async function runLane(commands) {
  let isFine = true;
  for (const command of commands) isFine = (await run(command)) && isFine;
  return isFine;
}

const results = await Promise.all(lanes.map(runLane));
process.exitCode = results.every(Boolean) ? 0 : 1;
