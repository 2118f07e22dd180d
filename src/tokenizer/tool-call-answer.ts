// Answers that are calls from their first character on: the formats `llama-3-json` and `pythonic`.
import type { WholeCall, StreamedCalls, ToolCallStream } from './tool-call-format';
import { isSpace } from './tool-call-members';
import { follow, type CallReader } from './tool-call-reader';

/** What a character outside of calls is: part of what stands between them, the end of all, the beginning of one, or text. */
type Outside = 'between' | 'end' | 'call' | 'text';

/** Judges the characters outside of calls in their order; `calls` is the number of those before. */
export interface CallPunctuation {
  judge(character: string, calls: number): Outside;
}

/** Calls, and what the format wants between them; as soon as something else stands there, the rest is text. */
export class CallAnswer implements ToolCallStream {
  readonly #calls: WholeCall[] = [];
  #place: Exclude<Outside, 'end'> = 'between';
  #reader: CallReader;
  /** What is no part of a call yet. */
  #held = '';

  constructor(
    private readonly punctuation: CallPunctuation,
    private readonly readerOf: (index: number) => CallReader,
  ) {
    this.#reader = readerOf(0);
  }

  get calls(): readonly WholeCall[] {
    return this.#calls;
  }

  push(text: string): StreamedCalls {
    const out: StreamedCalls = { text: '', calls: [] };
    let rest = text;
    while (rest !== '') rest = this.#read(rest, out);
    return out;
  }

  flush(): StreamedCalls {
    // What stands behind a call is nothing where no other one comes.
    const isNothing = this.#place === 'between' && this.#reader.index > 0;
    const text = isNothing ? '' : this.#held;
    this.#held = '';
    this.#place = 'text';
    return { text, calls: [] };
  }

  /** Gives what is left to read. */
  #read(text: string, out: StreamedCalls): string {
    if (this.#place === 'call') return this.#inCall(text, out);
    if (this.#place === 'between') return this.#between(text, out);
    out.text += text;
    return '';
  }

  #between(text: string, out: StreamedCalls): string {
    const first = text.charAt(0);
    const judged = isSpace(first) ? 'between' : this.punctuation.judge(first, this.#reader.index);
    if (judged === 'text') this.#giveHeld(out);
    if (judged === 'text' || judged === 'call') {
      this.#place = judged;
      return text;
    }
    this.#held = judged === 'end' ? '' : this.#held + first;
    return text.slice(1);
  }

  #inCall(text: string, out: StreamedCalls): string {
    const reader = this.#reader;
    const end = follow(reader, text, out.calls, this.#calls);
    this.#held = reader.isGiven ? '' : this.#held + text.slice(0, end);
    if (reader.state === 'broken') {
      this.#place = 'text';
      this.#giveHeld(out);
    } else if (reader.state === 'closed') {
      this.#place = 'between';
      this.#reader = this.readerOf(reader.index + 1);
    }
    return text.slice(end);
  }

  #giveHeld(out: StreamedCalls): void {
    out.text += this.#held;
    this.#held = '';
  }
}

/** Semicolons between objects, or line ends alone, as models have it. */
export class JsonPunctuation implements CallPunctuation {
  #separated = 0;

  judge(character: string, calls: number): Outside {
    if (character === '{') return 'call';
    if (character !== ';' || this.#separated === calls) return 'text';
    this.#separated = calls;
    return 'between';
  }
}

/** A list: brackets around calls, commas between them and perhaps one at the end. */
export class ListPunctuation implements CallPunctuation {
  #next: 'open' | 'call' | 'comma' | 'nothing' = 'open';

  judge(character: string, calls: number): Outside {
    if (character === ']' && calls > 0 && this.#next !== 'nothing') {
      this.#next = 'nothing';
      return 'end';
    }
    switch (this.#next) {
      case 'open':
        return character === '[' ? this.#expectCall() : 'text';
      case 'call':
        this.#next = 'comma';
        return 'call';
      case 'comma':
        return character === ',' ? this.#expectCall() : 'text';
      case 'nothing':
        return 'text';
    }
  }

  #expectCall(): Outside {
    this.#next = 'call';
    return 'between';
  }
}
