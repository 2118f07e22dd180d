// A port between two tabs: what is posted to it goes through a BroadcastChannel that only the two have. MessagePorts cannot go
// through such channels; those that are posted here stay where they are, and the other side gets a port that leads to them.

/** What crosses the channel. */
type Parcel =
  /** For the port of that number. `ports`: numbers that stand in `message` in place of ports, as {@link Stand}s. */
  | { to: number; message: unknown; ports: readonly number[] }
  /** That port will not be used any more. */
  | { closed: number };

/** Stands for a port in a message. */
interface Stand {
  ternionPort: number;
}

/** The number of the port that both sides have from the beginning. */
const FIRST = 0;

/** What a tunnel does for its ports. */
interface Carrier {
  send(to: number, message: unknown, ports: readonly MessagePort[]): void;
  forget(port: number): void;
}

/** A port whose other end is in another tab. It is used as a MessagePort is, and listens from the beginning. */
export class TabPort extends EventTarget {
  onmessage: ((event: MessageEvent) => void) | null = null;
  onmessageerror: ((event: MessageEvent) => void) | null = null;

  constructor(
    private readonly carrier: Carrier,
    private readonly number: number,
  ) {
    super();
    this.addEventListener('message', (event) => this.onmessage?.(event as MessageEvent));
    this.addEventListener('messageerror', (event) => this.onmessageerror?.(event as MessageEvent));
  }

  /**
   * Posts a message. MessagePorts among `transfer` lead to this tab from then on; they carry plain messages. All else is
   * copied, whatever `transfer` says. Throws a DataCloneError for what cannot be.
   */
  postMessage(message: unknown, transfer: readonly Transferable[] = []): void {
    const ports = transfer.filter((each) => each instanceof MessagePort);
    this.carrier.send(this.number, message, ports);
  }

  /** Whoever is handed a MessagePort starts it; this one has begun. */
  start(): void {}

  /** Ends this port and its other end. */
  close(): void {
    this.carrier.forget(this.number);
  }
}

/** Ports between this tab and another one, which has a tunnel through a channel of the same name. */
export class Tunnel {
  /** The port that the other side has from the beginning too. */
  readonly port: TabPort;
  /** Ports whose other end is over there, and ports that were posted from here. */
  readonly #ends = new Map<number, TabPort | MessagePort>();
  #nextNumber: number;
  readonly #carrier: Carrier = {
    send: (to, message, ports) => this.#send(to, message, ports),
    forget: (port) => {
      this.#forget(port);
      this.#post({ closed: port });
    },
  };
  #closed = false;

  /** Owns `channel`. The two sides number the ports that they post apart: one of them is the `caller`. */
  constructor(
    private readonly channel: BroadcastChannel,
    side: 'caller' | 'called',
  ) {
    this.#nextNumber = side === 'caller' ? 1 : 2;
    this.port = new TabPort(this.#carrier, FIRST);
    this.#ends.set(FIRST, this.port);
    channel.addEventListener('message', ({ data }: MessageEvent<Parcel>) => this.#receive(data));
    channel.addEventListener('messageerror', () => {
      // It cannot be told whose message it was.
      for (const end of this.#ends.values())
        if (end instanceof TabPort) end.dispatchEvent(new MessageEvent('messageerror'));
    });
  }

  /** Ends all ports. What is posted to them from then on goes nowhere. */
  close(): void {
    this.#closed = true;
    for (const number of this.#ends.keys()) this.#forget(number);
    this.channel.close();
  }

  #receive(parcel: Parcel): void {
    if ('closed' in parcel) return this.#forget(parcel.closed);
    const end = this.#ends.get(parcel.to);
    if (end instanceof TabPort) {
      const data = parcel.ports.length > 0 ? this.#withPorts(parcel.message) : parcel.message;
      end.dispatchEvent(new MessageEvent('message', { data }));
    } else end?.postMessage(parcel.message);
  }

  #send(to: number, message: unknown, ports: readonly MessagePort[]): void {
    if (ports.length === 0) return this.#post({ to, message, ports: [] });
    const numbers = new Map(ports.map((port) => [port, this.#relay(port)]));
    const standing = replaced(message, (value): Stand | undefined => {
      const number = numbers.get(value as MessagePort);
      return number === undefined ? undefined : { ternionPort: number };
    });
    this.#post({ to, message: standing, ports: [...numbers.values()] });
  }

  /** Passes on what comes out of `port` under a number of its own. */
  #relay(port: MessagePort): number {
    const number = this.#nextNumber;
    this.#nextNumber += 2;
    this.#ends.set(number, port);
    port.onmessage = ({ data }) => this.#send(number, data, []);
    return number;
  }

  #withPorts(message: unknown): unknown {
    return replaced(message, (value) => {
      if (!('ternionPort' in value)) return undefined;
      const { ternionPort: number } = value as Stand;
      const port = new TabPort(this.#carrier, number);
      this.#ends.set(number, port);
      return port;
    });
  }

  #forget(number: number): void {
    const end = this.#ends.get(number);
    this.#ends.delete(number);
    if (end instanceof MessagePort) end.close();
  }

  #post(parcel: Parcel): void {
    if (!this.#closed) this.channel.postMessage(parcel);
  }
}

/** A copy of `value` in which `stand` has replaced objects, at any depth of lists and plain objects. */
function replaced(value: unknown, stand: (value: object) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const replacement = stand(value);
  if (replacement !== undefined) return replacement;
  if (Array.isArray(value)) return value.map((each) => replaced(each, stand));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, replaced(each, stand)]));
}
