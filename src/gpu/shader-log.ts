// Shows the WGSL that is compiled, for whoever looks for a fault in a kernel: all of it on request, or the lines around an
// error.

import type { ShaderConditions, ShaderConstants } from './shader-expansion';

/** Takes the expanded text of a shader before it is compiled. */
export type ShaderLog = (
  shader: string,
  code: string,
  variant: { constants: ShaderConstants; conditions: ShaderConditions },
) => void;

/** Lines shown before and after one with an error. */
const AROUND = 2;

/** A log on the console if `debug`, a list of words as in the variable DEBUG, asks for `ternion:wgsl`; else undefined. */
export function shaderLog(debug: string | undefined = debugVariable()): ShaderLog | undefined {
  const wanted = (debug ?? '')
    .split(/[\s,]+/)
    .some((word) => ['ternion:wgsl', 'ternion:*', '*'].includes(word));
  if (!wanted) return undefined;
  return (shader, code, { constants, conditions }) => {
    const set = Object.keys(conditions).filter((name) => conditions[name]);
    console.debug(`// ${shader}.wgsl ${JSON.stringify(constants)} ${set.join(' ')}\n${code}`);
  };
}

/** The environment variable DEBUG, where there is an environment. */
function debugVariable(): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.['DEBUG'];
}

/** The message of a compiler, with the lines of `code` that it is about. */
export function quoteLines(
  code: string,
  { lineNum, message }: Pick<GPUCompilationMessage, 'lineNum' | 'message'>,
): string {
  // Line 0 stands for the whole shader.
  if (lineNum === 0) return message;
  const lines = code.split('\n');
  const first = Math.max(1, lineNum - AROUND);
  const last = Math.min(lines.length, lineNum + AROUND);
  const quoted = lines
    .slice(first - 1, last)
    .map((line, i) => `${first + i === lineNum ? '>' : ' '} ${String(first + i).padStart(4)} | ${line}`);
  return `line ${lineNum}: ${message}\n${quoted.join('\n')}`;
}
