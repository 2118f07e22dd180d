// Builds for all test files of a run what several of them need, each when it is first asked for: a server on the loopback address,
// which answers `/pages` with the folder that the pages are in once they are built.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { BUILDERS } from './build.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The address of the server that builds, with a slash at its end. */
    builds: string;
  }
}

export type BuildName = keyof typeof BUILDERS;

const isName = (name: string): name is BuildName => Object.hasOwn(BUILDERS, name);

/** Folders by what was built into them. */
class Builds {
  readonly #root: string;
  readonly #folders = new Map<BuildName, Promise<string>>();
  #number = 0;
  /** Builds run one after another: each takes all cores, and none is quicker beside another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(root: string) {
    this.#root = root;
  }

  folderOf(name: BuildName): Promise<string> {
    const known = this.#folders.get(name);
    if (known) return known;
    const folder = join(this.#root, `${name}-${this.#number++}`);
    const built = this.#last.then(() => BUILDERS[name](folder)).then(() => folder);
    this.#last = built.catch(() => undefined);
    this.#folders.set(name, built);
    return built;
  }

  /** What is asked for from now on is built anew. */
  forget(): void {
    this.#folders.clear();
  }

  /** Resolves when nothing is being built. */
  async idle(): Promise<void> {
    await this.#last;
  }
}

/** Vitest calls this before the first test file and, what it resolves to, after the last one. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const root = await mkdtemp(join(tmpdir(), 'ternion-builds-'));
  const builds = new Builds(root);
  const server = createServer((request, response) => {
    const name = (request.url ?? '').slice(1);
    const folder = isName(name)
      ? builds.folderOf(name)
      : Promise.reject(new Error(`nothing is called ${name}`));
    folder.then(
      (path) => response.end(path),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  project.provide('builds', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  project.onTestsRerun(() => builds.forget());
  return async () => {
    server.close();
    server.closeAllConnections();
    await builds.idle();
    await rm(root, { recursive: true, force: true });
  };
}
