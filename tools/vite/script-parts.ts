// Makes of a script in several chunks one script that can do without the others until it needs them. A worker that was started from a
// blob has no address that `./part.js` could be relative to, so an import of a part becomes a call of what src/worker/script-parts.ts
// has put in its place, and a part becomes a function that is called then.

import { parseAst } from 'vite';

/** A chunk of a script, as Rolldown gives it. */
export interface ScriptChunk {
  fileName: string;
  code: string;
  isEntry: boolean;
}

/** A part of a script. */
export interface ScriptPart {
  code: string;
  /** The names of all other parts that it cannot run without. */
  needs: readonly string[];
}

/** A script, and its parts by name. */
export interface SplitScript {
  code: string;
  parts: ReadonlyMap<string, ScriptPart>;
}

/** What stands for the loader of parts, in a script and in its parts. Where the script is imported and no worker, there is none. */
const LOADER = 'globalThis.ternionParts';

/** One change of a text. */
interface Edit {
  start: number;
  end: number;
  text: string;
}

/** A node of the syntax tree, as far as it is looked into here. */
interface Node {
  type: string;
  start: number;
  end: number;
  [key: string]: unknown;
}

/**
 * Splits a script. What its entry imports when it begins stays with it; all else is parts. Throws an Error for what bundlers do not write
 * into chunks, and so is not supported here.
 */
export function splitScript(chunks: readonly ScriptChunk[]): SplitScript {
  const entry = chunks.find(({ isEntry }) => isEntry);
  if (!entry) throw new Error('A script without an entry');
  if (chunks.length === 1) return { code: entry.code, parts: new Map() };
  const own = [...behind(entry, chunks)];
  if (own.includes(entry)) throw new Error(`${entry.fileName} is imported by what it imports`);
  const parts = chunks.filter((chunk) => chunk !== entry && !own.includes(chunk));
  const variables = new Map(own.map(({ fileName }, i) => [fileName, `ternionChunk${i}`]));
  const variableOf: Importing = (name) => variables.get(name) ?? loadOf(name);
  const before = own.map((chunk) => {
    const { body, exported } = rewritten(chunk, variableOf);
    return `const ${variableOf(chunk.fileName)}=(()=>{${body}\nreturn ${exported}})();\n`;
  });
  const { body, exported } = rewritten(entry, variableOf);
  // Behind the script: there is no loader before it has run.
  const define = own.map(({ fileName }) => {
    return `${LOADER}?.define(${JSON.stringify(fileName)},()=>${variableOf(fileName)});`;
  });
  const names = JSON.stringify(parts.map(({ fileName }) => fileName));
  const begin = `${LOADER}?.begin(${JSON.stringify(entry.fileName)},()=>(${exported}),${names});`;
  return {
    code: [...before, body, '\n', ...define, begin, '\n'].join(''),
    parts: new Map(
      parts.map((part) => {
        const needs = [...behind(part, chunks)].filter((each) => parts.includes(each));
        // Neither would begin: as modules they could.
        if (needs.includes(part)) throw new Error(`${part.fileName} is imported by what it imports`);
        return [part.fileName, { code: definitionOf(part), needs: needs.map(({ fileName }) => fileName) }];
      }),
    ),
  };
}

/** The chunks that one imports when it begins, each behind those that it imports itself. */
function behind(
  importer: ScriptChunk,
  chunks: readonly ScriptChunk[],
  found = new Set<ScriptChunk>(),
  begun = new Set<ScriptChunk>(),
): Set<ScriptChunk> {
  for (const statement of parsed(importer).body) {
    const name = statement.type === 'ImportDeclaration' ? partOf(statement) : undefined;
    const chunk = chunks.find(({ fileName }) => fileName === name);
    if (!chunk || begun.has(chunk)) continue;
    begun.add(chunk);
    behind(chunk, chunks, found, begun);
    found.add(chunk);
  }
  return found;
}

/** The statement that tells the loader how a part is made. */
function definitionOf(part: ScriptChunk): string {
  const { body, exported } = rewritten(part, (name) => `await ${loadOf(name)}`);
  return `${LOADER}?.define(${JSON.stringify(part.fileName)},async()=>{${body}\nreturn ${exported}});\n`;
}

/** What stands for what the chunk of that name exports. */
type Importing = (name: string) => string;

/**
 * The code of a chunk without imports and exports of others: these are what `importing` puts there, and an object. What a part imports is
 * as it is when the part runs: it does not change later, as nothing that modules here export does.
 */
function rewritten(chunk: ScriptChunk, importing: Importing): { body: string; exported: string } {
  const program = parsed(chunk);
  const exported: string[] = [];
  const edits = [
    ...program.body.flatMap((statement): Edit[] => topLevelEdits(statement, chunk, importing, exported)),
    ...dynamicImports(program),
  ];
  let body = chunk.code;
  for (const { start, end, text } of edits.sort((a, b) => b.start - a.start))
    body = body.slice(0, start) + text + body.slice(end);
  // Getters: some of what a script exports is not there yet when it has only begun.
  return { body, exported: `{${exported.join(',')}}` };
}

function parsed({ code }: ScriptChunk): Node & { body: Node[] } {
  return parseAst(code) as unknown as Node & { body: Node[] };
}

function topLevelEdits(
  statement: Node,
  { fileName }: ScriptChunk,
  importing: Importing,
  exported: string[],
): Edit[] {
  const { type, start, end } = statement;
  const refuse = (): never => {
    throw new Error(`${fileName}: ${type} is not supported in a part of a script`);
  };
  const specifiers = (statement['specifiers'] ?? []) as Node[];
  if (type === 'ImportDeclaration') {
    const names = specifiers.map((each) =>
      each.type === 'ImportSpecifier' ? `${nameOf(each['imported'])}:${nameOf(each['local'])}` : refuse(),
    );
    const from = partOf(statement) ?? refuse();
    return [{ start, end, text: `const{${names.join(',')}}=${importing(from)};` }];
  }
  if (type === 'ExportNamedDeclaration') {
    if (statement['source'] || statement['declaration']) refuse();
    for (const each of specifiers)
      exported.push(`get ${nameOf(each['exported'])}(){return ${nameOf(each['local'])}}`);
    return [{ start, end, text: '' }];
  }
  return type.startsWith('Export') ? refuse() : [];
}

/** Every `import('./part.js')`. Others, of addresses that are known only when it runs, stay. */
function dynamicImports(node: unknown): Edit[] {
  if (Array.isArray(node)) return node.flatMap(dynamicImports);
  if (typeof node !== 'object' || node === null) return [];
  const { type, start, end } = node as Node;
  const name = type === 'ImportExpression' ? partOf(node as Node) : undefined;
  if (name !== undefined) return [{ start, end, text: loadOf(name) }];
  return Object.values(node).flatMap(dynamicImports);
}

/** The call that stands for an import. */
function loadOf(name: string): string {
  return `${LOADER}.load(${JSON.stringify(name)})`;
}

/** The file name of the chunk that is imported; undefined if it is none. */
function partOf(node: Node): string | undefined {
  const source = node['source'] as Node;
  // Minified, a text is a template without expressions.
  const quasis = source['quasis'] as { value: { cooked: string } }[] | undefined;
  const text = quasis?.length === 1 ? quasis[0]?.value.cooked : source['value'];
  return typeof text === 'string' && text.startsWith('./') ? text.slice(2) : undefined;
}

function nameOf(node: unknown): string {
  const { name } = node as { name?: string };
  if (name === undefined) throw new Error('A name of an import or export that is a string is not supported');
  return name;
}
