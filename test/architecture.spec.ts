import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** The floor of each room; imports go down the stairs only. `recipes/*` stand on floor 5, `apps/*` on 6. */
const FLOORS: Readonly<Record<string, number>> = {
  foundation: 0,
  jute: 0.1, // uses the ground it stands beside: foundation only
  protocol: 1,
  host: 1,
  znodes: 2,
  storage: 2,
  zab: 2,
  client: 3,
  server: 3,
  coordination: 3.5, // beside nest, over the client: what recipes share and no rim needs
  nest: 4,
  testing: 4,
};
const RECIPE_FLOOR = 5;
const APP_FLOOR = 6;

/** Rooms that know nothing of Node but what is named here; all else comes through ports. */
const NODE_MODULES_ALLOWED: Readonly<Record<string, readonly string[]>> = {
  foundation: [],
  jute: [],
  protocol: [],
  zab: [],
  znodes: ['node:crypto'],
  storage: ['node:zlib'],
  server: ['node:crypto'],
  simulator: [],
};

const LINES_MAX = 500;
const FORBIDDEN_NAMES = /(^|[-./])(utils?|helpers?|common|misc)([-./]|$)/i;

interface Room {
  readonly name: string;
  readonly directory: string;
  readonly floor: number;
}

function directoriesIn(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

const rooms: Room[] = [
  ...directoriesIn(join(root, 'libs')).map((name) => ({
    name,
    directory: join(root, 'libs', name),
    floor: name === 'simulator' ? 0.5 : (FLOORS[name] ?? NaN),
  })),
  ...directoriesIn(join(root, 'recipes')).map((name) => ({
    name,
    directory: join(root, 'recipes', name),
    floor: RECIPE_FLOOR,
  })),
  ...directoriesIn(join(root, 'apps')).map((name) => ({
    name,
    directory: join(root, 'apps', name),
    floor: APP_FLOOR,
  })),
];

function filesUnder(directory: string, ending: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      return entry.name === 'dist' || entry.name === 'node_modules' ? [] : filesUnder(path, ending);
    }
    return entry.name.endsWith(ending) ? [path] : [];
  });
}

function importsOf(path: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(path, 'utf8'), true, true);
  return importedFiles.map(({ fileName }) => fileName);
}

const shown = (path: string) => relative(root, path);
const floorOf = (name: string) => rooms.find((room) => room.name === name)?.floor;

/** Imports of the sources of a room, as [file, what it imports]. */
function sourceImports(room: Room): [string, string][] {
  return filesUnder(join(room.directory, 'src'), '.ts').flatMap((file) =>
    importsOf(file).map((name): [string, string] => [file, name]),
  );
}

describe('the house', () => {
  it('has a floor for every room', () => {
    expect(rooms.filter(({ floor }) => Number.isNaN(floor)).map(({ name }) => name)).toEqual([]);
  });

  it.each(rooms)('$name imports only from floors below', (room) => {
    const wrong = sourceImports(room).filter(([, name]) => {
      const match = /^@aviary\/([^/]+)(\/.*)?$/.exec(name);
      if (match === null) return false;
      const below = floorOf(match[1] ?? '');
      // A room has one door: no path behind its name.
      return match[2] !== undefined || below === undefined || below >= room.floor;
    });
    expect(wrong.map(([file, name]) => `${shown(file)} imports ${name}`)).toEqual([]);
  });

  it.each(rooms)('$name keeps its own imports inside its sources', (room) => {
    const source = join(room.directory, 'src');
    const wrong = sourceImports(room).filter(
      ([file, name]) => name.startsWith('.') && !resolve(dirname(file), name).startsWith(source),
    );
    expect(wrong.map(([file, name]) => `${shown(file)} imports ${name}`)).toEqual([]);
  });

  it.each(Object.entries(NODE_MODULES_ALLOWED))('%s takes from Node only %j', (name, allowed) => {
    const room = rooms.find((candidate) => candidate.name === name);
    if (room === undefined) return;
    const wrong = sourceImports(room).filter(
      ([, imported]) => imported.startsWith('node:') && !allowed.includes(imported),
    );
    expect(wrong.map(([file, imported]) => `${shown(file)} imports ${imported}`)).toEqual([]);
  });

  it('lets rxjs in from floor 3 and Nest from floor 4 up', () => {
    const wrong = rooms.flatMap((room) =>
      sourceImports(room).filter(([, name]) => {
        if (name === 'rxjs' || name.startsWith('rxjs/')) return room.floor < 3;
        return name.startsWith('@nestjs/') && room.floor < 4;
      }),
    );
    expect(wrong.map(([file, name]) => `${shown(file)} imports ${name}`)).toEqual([]);
  });

  it('keeps the simulator, the workshop, out of the product', () => {
    const wrong = rooms.flatMap((room) =>
      sourceImports(room).filter(([, name]) => name === '@aviary/simulator'),
    );
    expect(wrong.map(([file]) => shown(file))).toEqual([]);
  });

  it('declares every package that a room imports', () => {
    const wrong = rooms.flatMap((room) => {
      const manifest = JSON.parse(readFileSync(join(room.directory, 'package.json'), 'utf8'));
      const declared = { ...manifest.dependencies, ...manifest.peerDependencies };
      return sourceImports(room).flatMap(([file, name]) => {
        if (name.startsWith('.') || name.startsWith('node:')) return [];
        const [scope, rest] = name.split('/');
        const packageName = name.startsWith('@') ? `${scope}/${rest}` : scope;
        return packageName !== undefined && packageName in declared
          ? []
          : [`${shown(file)} imports ${name}`];
      });
    });
    expect(wrong).toEqual([]);
  });
});

describe('every room', () => {
  it.each(rooms)('$name says in the first line of its README what it is', ({ directory }) => {
    const path = join(directory, 'README.md');
    expect(existsSync(path)).toBe(true);
    const [first = ''] = readFileSync(path, 'utf8').split('\n');
    expect(first).toMatch(/^(# )?\S.{10,200}[.]$/);
  });

  it.each(rooms.filter(({ floor }) => floor < APP_FLOOR))(
    '$name is a package with ESM exports and types',
    ({ directory }) => {
      const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
      expect(manifest).toMatchObject({
        type: 'module',
        license: 'Apache-2.0',
        exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
      });
      expect(manifest.description).toMatch(/^\S.{20,}[.]$/);
      expect(existsSync(join(directory, 'src', 'index.ts'))).toBe(true);
    },
  );
});

describe('the lock file', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const packages: Record<string, { optionalDependencies?: Record<string, string> }> = lock.packages;

  it('names the packages of every platform, not only of the one where it was written', () => {
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) =>
          !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages),
      ),
    );
    expect(missing).toEqual([]);
  });

  it('names no registry', () => {
    expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toMatch(
      /https?:\/\/[^"]*\.tgz/,
    );
  });
});

describe('every file', () => {
  const sources = [...rooms.map(({ directory }) => directory), join(root, 'test')].flatMap(
    (directory) => filesUnder(directory, '.ts'),
  );

  it(`has at most ${LINES_MAX} lines`, () => {
    const long = sources
      .map((path) => [shown(path), readFileSync(path, 'utf8').split('\n').length - 1] as const)
      .filter(([, lines]) => lines > LINES_MAX);
    expect(long).toEqual([]);
  });

  it('is named after its subject', () => {
    expect(sources.map(shown).filter((path) => FORBIDDEN_NAMES.test(path))).toEqual([]);
  });

  it('has no marks of unfinished work', () => {
    const marks = /\b(TODO|FIXME|XXX|HACK)\b|@ts-(ignore|nocheck)|\.only\(/;
    const marked = sources.filter(
      (path) => !path.endsWith('architecture.spec.ts') && marks.test(readFileSync(path, 'utf8')),
    );
    expect(marked.map(shown)).toEqual([]);
  });
});

const entryOf = (room: Room) => join(room.directory, 'src', 'index.ts');

/** One program for all rooms: what they share, Nest's types above all, is read once. */
const program = ts.createProgram(rooms.map(entryOf).filter(existsSync), {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: [],
  skipLibCheck: true,
});

/** Names that `index.ts` exports and whose declaration has no docstring. */
function undocumentedExports(room: Room): string[] {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entryOf(room));
  const module = source && checker.getSymbolAtLocation(source);
  if (module === undefined) return [`${room.name}: index.ts exports nothing`];
  return checker.getExportsOfModule(module).flatMap((exported) => {
    const isAlias = (exported.flags & ts.SymbolFlags.Alias) !== 0;
    const symbol = isAlias ? checker.getAliasedSymbol(exported) : exported;
    const declared = symbol.declarations?.some(
      (node) =>
        node.getSourceFile().fileName.startsWith(room.directory) &&
        // The type of a codec's values shares the words of the codec above it.
        !(ts.isTypeAliasDeclaration(node) && node.type.getText().startsWith('Infer<typeof')),
    );
    // What another room declares is documented there.
    if (declared !== true || symbol.getDocumentationComment(checker).length > 0) return [];
    return [`${room.name}: ${exported.name}`];
  });
}

describe('every export of an index.ts', () => {
  it.each(rooms.filter(({ floor }) => floor < APP_FLOOR))('of $name has a docstring', (room) => {
    expect(undocumentedExports(room)).toEqual([]);
  });
});
