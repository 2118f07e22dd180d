// Calls between tags, amid text: the format `hermes`.
import { CALL_MARKS, type WholeCall, type StreamedCalls, type ToolCallStream } from './tool-call-format';
import { isSpace } from './tool-call-members';
import { CallObject } from './tool-call-object';
import { follow } from './tool-call-reader';

const { open: OPEN, close: CLOSE } = CALL_MARKS;

/** Text until a tag; the call in it; and white space until its closing tag, which models forget where it would come last. */
export class TaggedCalls implements ToolCallStream {
  readonly #calls: WholeCall[] = [];
  #pending = '';
  /** The call whose tag is open. */
  #object: CallObject | undefined;
  /** The tag and what came behind it, until a part of the call is given. */
  #held = '';
  #isBehindCall = false;
  #begun = 0;

  constructor(private readonly known: ReadonlySet<string>) {}

  get calls(): readonly WholeCall[] {
    return this.#calls;
  }

  push(text: string): StreamedCalls {
    this.#pending += text;
    const out: StreamedCalls = { text: '', calls: [] };
    while (this.#step(out));
    return out;
  }

  flush(): StreamedCalls {
    const { isGiven } = this.#object ?? { isGiven: false };
    // Nothing is told of what was to become a closing tag.
    const text = isGiven || this.#isBehindCall ? '' : this.#held + this.#pending;
    this.#pending = this.#held = '';
    this.#object = undefined;
    return { text, calls: [] };
  }

  /** Whether there is more to do with what is pending. */
  #step(out: StreamedCalls): boolean {
    if (this.#object) return this.#inCall(this.#object, out);
    return this.#isBehindCall ? this.#behindCall() : this.#inText(out);
  }

  #inText(out: StreamedCalls): boolean {
    const start = this.#pending.indexOf(OPEN);
    const end = start < 0 ? this.#pending.length - tailThatMayBegin(this.#pending, OPEN) : start;
    out.text += this.#pending.slice(0, end);
    this.#pending = this.#pending.slice(start < 0 ? end : start + OPEN.length);
    if (start < 0) return false;
    this.#object = new CallObject(this.#begun, this.known);
    this.#held = OPEN;
    return true;
  }

  #inCall(object: CallObject, out: StreamedCalls): boolean {
    const end = follow(object, this.#pending, out.calls, this.#calls);
    this.#held = object.isGiven ? '' : this.#held + this.#pending.slice(0, end);
    this.#pending = this.#pending.slice(end);
    if (object.state === 'reading') return false;
    if (object.isGiven) this.#begun++;
    out.text += this.#held;
    this.#held = '';
    this.#object = undefined;
    this.#isBehindCall = object.state === 'closed';
    return true;
  }

  #behindCall(): boolean {
    const rest = withoutSpacesInFront(this.#pending);
    if (rest.startsWith(CLOSE)) this.#pending = rest.slice(CLOSE.length);
    else if (CLOSE.startsWith(rest)) return false;
    this.#isBehindCall = false;
    return true;
  }
}

/** How many of the last characters of `text` could be the beginning of `mark`. */
function tailThatMayBegin(text: string, mark: string): number {
  let length = Math.min(text.length, mark.length - 1);
  while (length > 0 && !mark.startsWith(text.slice(-length))) length--;
  return length;
}

function withoutSpacesInFront(text: string): string {
  let at = 0;
  while (isSpace(text.charAt(at))) at++;
  return text.slice(at);
}
