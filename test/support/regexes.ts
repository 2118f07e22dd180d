// Regular expressions of JavaScript, each with texts that it matches from end to end and some that it does not.

/** An expression with texts. */
export interface RegexSample {
  pattern: string;
  matching: readonly string[];
  other: readonly string[];
  /** Whether it bounds the length of what it matches. */
  isBounded: boolean;
}

function bounded(pattern: string, matching: readonly string[], other: readonly string[]): RegexSample {
  return { pattern, matching, other, isBounded: true };
}

function endless(pattern: string, matching: readonly string[], other: readonly string[]): RegexSample {
  return { pattern, matching, other, isBounded: false };
}

/** Thirty of many kinds. With the flag `u`, as `new RegExp(`^(?:${pattern})$`, 'u')`. */
export const REGEXES: readonly RegexSample[] = [
  bounded('abc', ['abc'], ['ab', 'abcd', 'ABC', '']),
  bounded('a|bc|', ['a', 'bc', ''], ['b', 'abc']),
  bounded('[a-c]{2,3}', ['ab', 'ccc'], ['a', 'abcd', 'xy']),
  bounded('colou?r', ['color', 'colour'], ['colouur']),
  bounded('\\d{4}-\\d{2}-\\d{2}', ['2024-02-30'], ['2024-2-3', '٢٠٢٤-٠٢-٠٣']),
  bounded('(?:yes|no)(?:, (?:yes|no)){0,2}', ['yes', 'no, yes, no'], ['yes,no', 'no, no, no, no']),
  bounded('(?<year>19|20)\\d\\d', ['1999', '2024'], ['2100', '19']),
  bounded('^anchored$', ['anchored'], ['^anchored$']),
  bounded('^a|b$', ['a', 'b'], ['ab', '']),
  bounded('[^a-z]', ['A', 'é', '𝄞', '\n', '"'], ['a', 'z', '', 'AA']),
  bounded('.', ['a', '日', '𝄞', ' '], ['\n', '\u2028', '', 'ab']),
  bounded('[é-ü]{1,2}', ['é', 'üê'], ['è', 'e', '\u00c3']),
  bounded('[\\u{1F600}-\\u{1F64F}]', ['😀', '🙏'], ['🚀', 'a']),
  bounded('\\u0041\\x42\\t', ['AB\t'], ['AB']),
  bounded('[\\]\\-^"\\\\]{1,3}', [']', '-^"', '\\'], ['a', '[']),
  bounded('\\$\\{\\w{1,8}\\}', ['${x_1}'], ['${}', '{x}', '${a-b}']),
  bounded('\\s\\S', [' a', '\u00a0b', '\ufeffx'], ['a ', '  ']),
  bounded('\\D\\W', ['a-', 'é '], ['1-', 'aa']),
  bounded('(a(b(c)?)?)?', ['', 'a', 'ab', 'abc'], ['ac', 'b']),
  bounded('(?:ab){2}c{0,2}?', ['abab', 'ababcc'], ['ab', 'ababccc']),
  bounded('\\p{Lu}\\p{Ll}{1,4}', ['Éa', 'Ωmega'], ['éa', 'A', '1a']),
  bounded(
    '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)(?:\\.(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)){3}',
    ['127.0.0.1', '255.255.255.249'],
    ['256.1.1.1', '1.1.1'],
  ),
  bounded('#[0-9a-fA-F]{6}', ['#00ffAA'], ['#00ffA', '00ffAA', '#00ffAG']),
  bounded('[01]?\\d|2[0-3]', ['0', '07', '23'], ['24', '']),
  endless('a+b*', ['a', 'aaab', 'abb'], ['', 'b', 'aba']),
  endless('(?:ab|c)*d', ['d', 'abccabd'], ['abc', 'acd']),
  endless('(?:a*)*', ['', 'aaa'], ['b']),
  endless('[a-z]+(?:-[a-z]+)*', ['a', 'well-known-fact'], ['-a', 'a-', 'a--b']),
  endless('(?:\\w+ ){1,3}end\\.', ['the end.', 'a b c end.'], ['end.', 'a  end.']),
  endless('"(?:[^"\\\\]|\\\\.)*"', ['""', '"a\\"b"', '"日"'], ['"', '"a"b"']),
  endless('x{3,}', ['xxx', 'xxxxxxx'], ['xx', 'xxxy']),
];
