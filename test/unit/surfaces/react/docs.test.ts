// The examples of docs/react.md compile, with the types of the entry that they import.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const HERE = dirname(fileURLToPath(import.meta.url));

const examples = [...readFileSync(join(ROOT, 'docs/react.md'), 'utf8').matchAll(/```tsx\n(.*?)```/gs)].map(
  ([, code = '']) => code.replace("'ternion/react'", "'../../../../src/surfaces/react'"),
);

test('every example of docs/react.md compiles', () => {
  expect(examples.length).toBeGreaterThan(1);
  const files = new Map(examples.map((code, i) => [join(HERE, `example-${i}.tsx`), `${code}\nexport {};\n`]));
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: object };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT);
  // Nobody uses the components of an example.
  const how = { ...options, jsx: ts.JsxEmit.ReactJSX, noUnusedLocals: false };
  const disk = ts.createCompilerHost(how);
  const host = { ...disk };
  host.fileExists = (path) => files.has(path) || disk.fileExists(path);
  host.readFile = (path) => files.get(path) ?? disk.readFile(path);
  host.getSourceFile = (path, version, ...rest) => {
    const code = files.get(path);
    return code === undefined
      ? disk.getSourceFile(path, version, ...rest)
      : ts.createSourceFile(path, code, version);
  };
  const declarations = ['src/file-url.d.ts', 'src/script-url.d.ts'].map((path) => join(ROOT, path));
  const program = ts.createProgram([...files.keys(), ...declarations], how, host);
  const wrong = [...files.keys()].flatMap((path) => {
    const source = program.getSourceFile(path);
    return source ? ts.getPreEmitDiagnostics(program, source) : [];
  });
  expect(wrong.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
});
