// Grammars in xgrammar's EBNF, each with a recogniser of the same language that was written independently of it.

/** A grammar with a recogniser. */
export interface GrammarSample {
  name: string;
  ebnf: string;
  /** Whether a text is in the language. */
  recognises: (text: string) => boolean;
  /** Some texts of the language. */
  texts: readonly string[];
  /** Whether it bounds the length of its texts. */
  isBounded: boolean;
}

function regular(
  name: string,
  ebnf: string,
  expression: RegExp,
  texts: readonly string[],
  isBounded = true,
): GrammarSample {
  return { name, ebnf, recognises: (text) => expression.test(text), texts, isBounded };
}

function endless(
  name: string,
  ebnf: string,
  recognises: (text: string) => boolean,
  texts: readonly string[],
): GrammarSample {
  return { name, ebnf, recognises, texts, isBounded: false };
}

/** Whether brackets close in order, with nothing else between them but what `others` matches. */
function isBalanced(text: string, pairs: Readonly<Record<string, string>>, others: RegExp): boolean {
  const open: string[] = [];
  for (const character of text) {
    const closing = pairs[character];
    if (closing !== undefined) open.push(closing);
    else if (Object.values(pairs).includes(character)) {
      if (open.pop() !== character) return false;
    } else if (!others.test(character)) return false;
  }
  return open.length === 0;
}

/** Reads sums and products of digits in parentheses by recursive descent. */
function isExpression(text: string): boolean {
  let at = 0;
  const operand = (): boolean => {
    if (/\d/.test(text[at] ?? '')) return ++at > 0;
    if (text[at] !== '(') return false;
    at++;
    return sum() && text[at++] === ')';
  };
  const joined = (part: () => boolean, operators: string): boolean => {
    if (!part()) return false;
    while (at < text.length && operators.includes(text[at] ?? '')) {
      at++;
      if (!part()) return false;
    }
    return true;
  };
  const sum = (): boolean => joined(() => joined(operand, '*/'), '+-');
  return sum() && at === text.length;
}

function isPalindrome(text: string): boolean {
  return /^[ab]*c[ab]*$/.test(text) && text === [...text].reverse().join('');
}

function isCounted(text: string): boolean {
  const half = text.length / 2;
  return half >= 1 && text === 'a'.repeat(half) + 'b'.repeat(half);
}

/** A list in Lisp's manner: `(a (b c) d)`. */
function isList(text: string): boolean {
  const tokens = text.match(/\(|\)|[a-z]+| /g) ?? [];
  if (tokens.join('') !== text || /\( | \)| {2}|\(\)|\)[a-z(]|[a-z]\(/.test(text)) return false;
  return (
    text.startsWith('(') && text.endsWith(')') && isBalanced(text, { '(': ')' }, /[a-z ]/) && !isSplit(text)
  );
}

/** Whether the first bracket closes before the end. */
function isSplit(text: string): boolean {
  let depth = 0;
  return [...text].some((character, i) => {
    depth += character === '(' ? 1 : character === ')' ? -1 : 0;
    return depth === 0 && i < text.length - 1;
  });
}

export const GRAMMARS: readonly GrammarSample[] = [
  regular('one text', 'root ::= "hello world"', /^hello world$/, ['hello world']),
  regular('alternatives', 'root ::= "yes" | "no" | "maybe" " not"?', /^(?:yes|no|maybe(?: not)?)$/, [
    'yes',
    'maybe',
    'maybe not',
  ]),
  regular(
    'rules',
    'root ::= greeting " " name\ngreeting ::= "Hi" | "Hello"\nname ::= [A-Z] [a-z]{1,6}',
    /^(?:Hi|Hello) [A-Z][a-z]{1,6}$/,
    ['Hi Ada', 'Hello Charles'],
  ),
  regular('counted', 'root ::= ("ab" | "c"){2,4} [0-9]{3}', /^(?:ab|c){2,4}\d{3}$/, ['cc123', 'abcabc000']),
  regular('ranges', 'root ::= [A-F0-9_\\-]{1,3} [g-z]', /^[A-F0-9_-]{1,3}[g-z]$/, ['A-9z', '_g']),
  regular('unicode', 'root ::= "é" ("日本" | "𝄞")? "\\u00fc"', /^é(?:日本|𝄞)?ü$/u, ['éü', 'é日本ü', 'é𝄞ü']),
  regular('escapes', 'root ::= "\\"\\\\\\n\\t" [\\]\\-]{1,2}', /^"\\\n\t[\]-]{1,2}$/, ['"\\\n\t]-']),
  regular(
    'a time',
    'root ::= hour ":" minute (":" minute)?\nhour ::= [01] [0-9] | "2" [0-3]\nminute ::= [0-5] [0-9]',
    /^(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?$/,
    ['00:00', '23:59:59'],
  ),
  regular(
    'a move in chess',
    'root ::= ([KQRBN] [a-h]? "x"? [a-h] [1-8] | [a-h] [1-8] ("=" [QRBN])? | "O-O" "-O"?) [+#]?',
    /^(?:[KQRBN][a-h]?x?[a-h][1-8]|[a-h][1-8](?:=[QRBN])?|O-O(?:-O)?)[+#]?$/,
    ['e4', 'Nbxd7+', 'O-O-O', 'e8=Q#'],
  ),
  regular(
    'a table row',
    'root ::= "|" (cell "|"){1,4}\ncell ::= " " [a-z0-9]{1,8} " "',
    /^\|(?: [a-z0-9]{1,8} \|){1,4}$/,
    ['| a |', '| a1 | b2 | c3 |'],
  ),
  regular(
    'a list of numbers',
    'root ::= number (", " number)*\nnumber ::= "0" | "-"? [1-9] [0-9]{0,3}',
    /^(?:0|-?[1-9]\d{0,3})(?:, (?:0|-?[1-9]\d{0,3}))*$/,
    ['0', '-12, 3, 4567'],
    false,
  ),
  regular(
    'words',
    'root ::= word (" " word)* "."\nword ::= [a-z]+',
    /^[a-z]+(?: [a-z]+)*\.$/,
    ['the end.'],
    false,
  ),
  regular('right recursion', 'root ::= "x" root | "y"', /^x*y$/, ['y', 'xxxy'], false),
  endless('as many b as a', 'root ::= "a" root "b" | "ab"', isCounted, ['ab', 'aaabbb']),
  endless('palindromes', 'root ::= "a" root "a" | "b" root "b" | "c"', isPalindrome, ['c', 'abcba']),
  endless(
    'brackets',
    'root ::= pair*\npair ::= "(" root ")" | "[" root "]" | "."',
    (text) => isBalanced(text, { '(': ')', '[': ']' }, /\./),
    ['', '([.])()'],
  ),
  endless(
    'sums',
    'root ::= product ([+\\-] product)*\nproduct ::= operand ([*/] operand)*\noperand ::= [0-9] | "(" root ")"',
    isExpression,
    ['1', '1+2*(3-4)/5'],
  ),
  endless('lists of Lisp', 'root ::= "(" item (" " item)* ")"\nitem ::= [a-z]{1,5} | root', isList, [
    '(a)',
    '(a (b c) d)',
  ]),
];
