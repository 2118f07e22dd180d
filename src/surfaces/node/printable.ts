// What can be written to a terminal, of texts that anybody may have made.

/**
 * `text` with U+FFFD for control characters but line breaks and tabs: terminals take them for commands, which write to the
 * clipboard among other things. What a model says, and the names in its file, may hold any.
 */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '\uFFFD');
}
