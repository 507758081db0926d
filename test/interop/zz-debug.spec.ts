import { it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { PLACES, StepGenerator } from './differential/generator.js';
import { runInLockStep } from './differential/lock-step.js';
import { Side } from './differential/side.js';
import { describeStep } from './differential/steps.js';
import { TestServer, removeAll } from './servers.js';
it('x', async () => {
  const S = {
    enforceQuota: 'true',
    'znode.container.checkIntervalMs': 86_400_000,
    'DigestAuthenticationProvider.superDigest': 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs=',
  };
  const a = await TestServer.start('aviary', S),
    b = await TestServer.start('zookeeper', S);
  const A = new Side(a, PLACES),
    B = new Side(b, PLACES);
  const steps = new StepGenerator(Number(process.env.SEED ?? 1))
    .steps(3000)
    .slice(0, Number(process.env.N ?? 450));
  let bad = 0;
  let out = '';
  for (const [i, step] of steps.entries()) {
    const d = await runInLockStep(A, B, [step]);
    if (d && step.do !== 'words') {
      out += `DIFF ${i} ${describeStep(step)}\n${d.ours.join('\n')}\n--\n${d.theirs.join('\n')}\n`;
      break;
    }
    if (step.do === 'restart') bad = 0;
    const now = await b.metric('zk_digest_mismatches_count');
    if (now !== bad) {
      bad = now;
      out += `step ${i} ${describeStep(step)} ${B.lines.join('|')}\n`;
    }
  }
  out += b.output
    .split('\n')
    .filter((l) => l.includes('igest'))
    .join('\n');
  writeFileSync('/tmp/digest.log', out);
  await removeAll();
}, 600000);
