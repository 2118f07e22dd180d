// Takes apart what a model thinks and what it says, by the marks that its chat template knows.

/** What stands around the reasoning at the beginning of an answer. */
export interface ReasoningMarks {
  readonly open: string;
  readonly close: string;
}

/** Those that models in use were trained to write. */
const KNOWN_MARKS: readonly ReasoningMarks[] = [
  { open: '<think>', close: '</think>' },
  { open: '<thinking>', close: '</thinking>' },
  { open: '<thought>', close: '</thought>' },
  { open: '<reasoning>', close: '</reasoning>' },
  { open: '[THINK]', close: '[/THINK]' },
  { open: '<|START_THINKING|>', close: '<|END_THINKING|>' },
];

/**
 * The marks that a template names, be it to write them or to take reasoning out of earlier turns. A model whose template knows
 * of none is not taken to reason.
 */
export function reasoningMarksIn(template: string): ReasoningMarks | undefined {
  return KNOWN_MARKS.find(({ open, close }) => template.includes(open) || template.includes(close));
}

/** How the answers to a template's prompts show their reasoning. */
export interface ReasoningFormat {
  readonly marks: ReasoningMarks;
  /** The prompt itself ends within the reasoning: the template has written the opening mark. */
  readonly opened: boolean;
}

/** A piece of an answer, taken apart. */
export interface SplitText {
  text: string;
  reasoning: string;
}

/**
 * Splits an answer that comes piece by piece. Reasoning is one block at the beginning, so that an answer may well speak of
 * the marks later on. Line ends around the reasoning belong to the marks, as templates have it, and are in neither part.
 */
export class ReasoningSplitter {
  /** `begun` is before anything but white space; `thought` is between the closing mark and the first character behind it. */
  #state: 'begun' | 'thinking' | 'thought' | 'speaking';
  #held = '';
  #hasReasoning = false;

  constructor(private readonly format: ReasoningFormat) {
    this.#state = format.opened ? 'thinking' : 'begun';
  }

  /** The mark that may come next; undefined once none can. */
  get expected(): string | undefined {
    const { open, close } = this.format.marks;
    if (this.#state === 'begun') return open;
    return this.#state === 'thinking' ? close : undefined;
  }

  /** Takes the next piece; gives what is final now. */
  push(piece: string): SplitText {
    const all = this.#held + piece;
    this.#held = '';
    switch (this.#state) {
      case 'begun':
        return this.#begin(all);
      case 'thinking':
        return this.#think(all);
      case 'thought':
        return { text: this.#speak(all), reasoning: '' };
      case 'speaking':
        return { text: all, reasoning: '' };
    }
  }

  /** What was held back and is final now that nothing more comes. */
  flush(): SplitText {
    const held = this.#held;
    this.#held = '';
    if (this.#state !== 'thinking') return { text: held, reasoning: '' };
    return { text: '', reasoning: this.#reasoning(withoutLineEndsBehind(held)) };
  }

  #begin(all: string): SplitText {
    const { open } = this.format.marks;
    const trimmed = all.trimStart();
    if (trimmed.startsWith(open)) {
      this.#state = 'thinking';
      return this.#think(trimmed.slice(open.length));
    }
    if (open.startsWith(trimmed)) {
      this.#held = all;
      return { text: '', reasoning: '' };
    }
    this.#state = 'speaking';
    return { text: all, reasoning: '' };
  }

  #think(all: string): SplitText {
    const { close } = this.format.marks;
    const end = all.indexOf(close);
    const final = end < 0 ? finalLength(all, close) : end;
    const reasoning = this.#reasoning(
      end < 0 ? all.slice(0, final) : withoutLineEndsBehind(all.slice(0, end)),
    );
    if (end < 0) {
      this.#held = all.slice(final);
      return { text: '', reasoning };
    }
    this.#state = 'thought';
    return { text: this.#speak(all.slice(end + close.length)), reasoning };
  }

  /** Without the line ends that the reasoning begins with. */
  #reasoning(piece: string): string {
    const reasoning = this.#hasReasoning ? piece : piece.replace(/^[\r\n]+/, '');
    this.#hasReasoning ||= reasoning !== '';
    return reasoning;
  }

  #speak(piece: string): string {
    const text = piece.replace(/^[\r\n]+/, '');
    if (text !== '') this.#state = 'speaking';
    return text;
  }
}

/** How much of `text` cannot belong to the end of the reasoning: line ends, and the beginning of the closing mark. */
function finalLength(text: string, close: string): number {
  let open = Math.max(0, text.length - close.length + 1);
  while (!close.startsWith(text.slice(open))) open++;
  return withoutLineEndsBehind(text.slice(0, open)).length;
}

function withoutLineEndsBehind(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === '\n' || text[end - 1] === '\r')) end--;
  return text.slice(0, end);
}
