// The marks around what a driver prints of a pipeline, and what stands between them.

/** Lines of their own. */
export const beginMark = (id: number): string => `@@begin ${id}`;
export const endMark = (id: number): string => `@@end ${id}`;

/** The lines between the marks, by the numbers of the marks; none of a pipeline whose end is missing. */
export function betweenMarks(log: string): Map<number, string[]> {
  const all = new Map<number, string[]>();
  let open: { id: number; lines: string[] } | undefined;
  for (const line of log.split('\n')) {
    const begin = /^@@begin (\d+)$/.exec(line);
    if (begin) open = { id: Number(begin[1]), lines: [] };
    else if (open && line === endMark(open.id)) {
      all.set(open.id, open.lines);
      open = undefined;
    } else open?.lines.push(line);
  }
  return all;
}
