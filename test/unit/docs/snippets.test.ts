// Every piece of TypeScript in the documentation compiles against the package's own types.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');

/** What readers have in mind when a snippet begins in the middle of something: for all files, and for some. */
const CONTEXT = `
import type { ChatMessage, Engine as LocalEngine, Session } from 'ternion';
declare const session: Session;
declare const source: string;
declare const signal: AbortSignal;
declare const messages: ChatMessage[];
declare function show(text: string): void;
`;
const ENGINE = 'declare const engine: LocalEngine;';
const CONTEXTS: Record<string, string> = {
  'README.md': `${ENGINE}
    import { z } from 'zod';
    import OpenAI from 'openai';
    import { createFetch } from 'ternion/openai';
    declare function measure(city: string): Promise<number>;`,
  'docs/ai-sdk.md': `${ENGINE}
    import { generateText, type LanguageModel } from 'ai';
    declare const model: LanguageModel;`,
  'docs/api.md': `${ENGINE}
    import { z } from 'zod';
    import type { LoadOptions, LogitsProcessor } from 'ternion';
    declare const onProgress: NonNullable<LoadOptions['onProgress']>;
    declare const contextLength: number;`,
  'docs/connect.md': `
    import { loadOrConnect, type ConnectedEngine } from 'ternion/connect';
    import type { LoadOptions } from 'ternion';
    declare const engine: ConnectedEngine;
    declare const onProgress: NonNullable<LoadOptions['onProgress']>;
    declare let count: number;`,
  // What Svelte's compiler knows.
  'docs/frameworks.md': `
    declare function $state<T>(value: T): T;
    declare namespace $state {
      function raw<T>(): T | undefined;
    }`,
  'docs/openai.md': `${ENGINE}
    import type OpenAI from 'openai';
    declare const client: OpenAI;`,
  'docs/quick-start.md': `${ENGINE} import { loadModel } from 'ternion';`,
  'docs/security-policies.md': `${ENGINE}
    import { loadModel } from 'ternion';
    declare const trustedTypes: {
      createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): typeof policy;
    };
    declare const policy: { createScriptURL(url: string): string };
    declare const createWorker: () => Worker;`,
  'docs/service-worker.md': `${ENGINE} import OpenAI from 'openai';`,
  'docs/sharing.md': `import { loadModel } from 'ternion';`,
  'docs/tools.md': `${ENGINE}
    import type { JsonSchema, ToolDefinition } from 'ternion';
    declare const citySchema: JsonSchema;
    declare const tools: Record<string, ToolDefinition>;
    declare function call(name: string, args: Record<string, unknown>): Promise<unknown>;
    declare function showCall(index: number, name: string | undefined, argumentsText: string): void;`,
  'docs/troubleshooting.md': `declare function showServerFallback(): void;`,
};

interface Snippet {
  /** File and line. */
  name: string;
  path: string;
  code: string;
}

/** The snippets of a file, each as a module. One that is itself without imports is within a function, so that it may await and shadow. */
function snippetsOf(file: string): Snippet[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/^```(ts|tsx|html)\n([\s\S]*?)^```/gm)].flatMap(
    ({ index, 1: kind, 2: body = '' }) => {
      const scripts = [...body.matchAll(/<script type="module">([\s\S]*?)<\/script>/g)].map(
        ([, script]) => script,
      );
      const code = kind === 'html' ? scripts.join('\n') : body;
      if (!code) return [];
      const line = text.slice(0, index).split('\n').length;
      const folder = file === 'docs/adding-a-model.md' ? 'src/model' : 'docs';
      const path = join(ROOT, folder, `${file.replace(/\W/g, '_')}_${line}.${kind === 'tsx' ? 'tsx' : 'ts'}`);
      return [{ name: `${file}:${line}`, path, code: withContext(file, code) }];
    },
  );
}

/** Imports and exports stay at the top of the module; the rest is a block, whose names come before those of the context. */
function withContext(file: string, code: string): string {
  const imported = /^ *import\b[^;]*;.*$/gm;
  const top = code.match(imported) ?? [];
  const rest = code.replace(imported, '').replace(/^('use client';|export (default )?)\n?/gm, '');
  const context = withoutNames(`${CONTEXT}\n${CONTEXTS[file] ?? ENGINE}`, top.join('\n'));
  return `${context}\n${top.join('\n')}\nasync function snippet() {\n${rest}\n}\nvoid snippet;\n`;
}

/** The imports of a context without the names that a snippet imports itself. */
function withoutNames(context: string, imports: string): string {
  const own = new Set(imports.match(/\w+/g) ?? []);
  return context.replace(/import (type )?(\w+|\{[^}]*\}) from '[^']*';/g, (whole) => {
    const names = /import (?:type )?(?:(\w+)|\{([^}]*)\})/.exec(whole);
    const list = (names?.[1] ?? names?.[2] ?? '').split(',').map((each) => each.trim());
    const left = list.filter((each) => !own.has(each.split(' ').at(-1) ?? ''));
    if (left.length === list.length) return whole;
    return left.length === 0 ? '' : whole.replace(/\{[^}]*\}/, `{ ${left.join(', ')} }`);
  });
}

/** What the compiler says of each snippet. */
function faults(snippets: readonly Snippet[]): Map<string, string[]> {
  const config = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const { compilerOptions } = config.config as { compilerOptions: Record<string, unknown> };
  const { options } = ts.convertCompilerOptionsFromJson(
    {
      ...compilerOptions,
      noUnusedLocals: false,
      noUnusedParameters: false,
      isolatedModules: false,
      jsx: 'react-jsx',
    },
    ROOT,
  );
  const codes = new Map(snippets.map(({ path, code }) => [path, code]));
  const host = ts.createCompilerHost(options);
  const fileExists = host.fileExists.bind(host);
  const getSourceFile = host.getSourceFile.bind(host);
  host.fileExists = (path) => codes.has(path) || fileExists(path);
  host.getSourceFile = (path, language, ...rest) => {
    const code = codes.get(path);
    return code === undefined
      ? getSourceFile(path, language, ...rest)
      : ts.createSourceFile(path, code, language);
  };
  const program = ts.createProgram([...codes.keys()], options, host);
  return new Map(
    snippets.map(({ name, path }) => {
      const file = program.getSourceFile(path);
      const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
      return [name, found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))];
    }),
  );
}

const pages = readdirSync(join(ROOT, 'docs')).filter((name) => /^\w[\w-]*\.md$/.test(name));
const all = ['README.md', ...pages.map((name) => `docs/${name}`)].flatMap(snippetsOf);

describe('snippets of the documentation', () => {
  const found = faults(all);
  it.each(all)('$name', ({ name }) => {
    expect(found.get(name)).toEqual([]);
  });
});

describe('the check itself', () => {
  it('finds what does not compile', () => {
    const wrong = withContext('docs/api.md', "session.send('Hello', { temperature: 'hot' });");
    const snippet = { name: 'wrong', path: join(ROOT, 'docs/wrong.ts'), code: wrong };
    expect(faults([snippet]).get('wrong')?.join()).toMatch(/'string' is not assignable to type 'number/);
  });
});
