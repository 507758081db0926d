import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './programs.js';

/** Where packages and people put jars; the first that has one wins. */
const JAR_DIRECTORIES = ['/usr/share/java', '/usr/local/share/java', '/opt/zookeeper/lib'];

function pathOf(what: string, candidates: readonly string[], debianPackage: string): string {
  const found = candidates.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new Error(
    `${what} is not installed (looked for ${candidates.join(', ')}): install the Debian package ` +
      `${debianPackage}; the tests with foreign software need zookeeper, zookeeper-bin, ` +
      'python3-kazoo, libcurator-recipes-java and a JDK.',
  );
}

function jar(name: string, debianPackage: string): string {
  const candidates = JAR_DIRECTORIES.map((directory) => join(directory, `${name}.jar`));
  return pathOf(`${name}.jar`, candidates, debianPackage);
}

/**
 * Class path of Apache ZooKeeper; `ZK_CLASSPATH` overrides it.
 *
 * @throws {Error} It is not installed; the sentence says what to install.
 */
export function zookeeperClasspath(): string {
  const given = process.env.ZK_CLASSPATH;
  if (given !== undefined && given !== '') return given;
  return [jar('zookeeper', 'zookeeper'), jar('slf4j-simple', 'libslf4j-java')].join(':');
}

/** Class path of Apache Curator's recipes with ZooKeeper's client; `ZK_CLASSPATH` comes first. */
export function curatorClasspath(): string {
  const curator = ['curator-recipes', 'curator-framework', 'curator-client'];
  const jars = curator.map((name) => jar(name, 'libcurator-recipes-java'));
  return [zookeeperClasspath(), ...jars, jar('guava', 'libguava-java')].join(':');
}

/** Compiles a Java file that uses Curator; its classes go to `directory`. */
export async function compileJava(source: string, directory: string): Promise<void> {
  const javac = pathOf('javac', ['/usr/bin/javac', '/usr/local/bin/javac'], 'default-jdk-headless');
  await run(javac, ['-cp', curatorClasspath(), '-d', directory, source], { waitMs: 120_000 });
}

/** The shell of ZooKeeper. */
export function zkCli(): string {
  return pathOf('zkCli.sh', ['/usr/share/zookeeper/bin/zkCli.sh'], 'zookeeper');
}

/** The shell of ZooKeeper's C client, `cli_mt`. */
export function cShell(): string {
  return pathOf('cli_mt', ['/usr/lib/zookeeper/bin/cli_mt', '/usr/bin/cli_mt'], 'zookeeper-bin');
}

/** ZooKeeper's C program that makes many nodes, `load_gen`. */
export function cLoadGenerator(): string {
  return pathOf('load_gen', ['/usr/lib/zookeeper/bin/load_gen'], 'zookeeper-bin');
}

/** A Python that can import kazoo; Debian's own. */
export function pythonWithKazoo(): string {
  const python = pathOf('python3', ['/usr/bin/python3'], 'python3');
  pathOf('kazoo', ['/usr/lib/python3/dist-packages/kazoo/__init__.py'], 'python3-kazoo');
  return python;
}
