// Rules for what has members or items: objects, Python's keyword arguments, arrays.

import { TernionError } from '../errors';
import { literal, repeated, type RuleBook } from './ebnf';

/** A member that has its place and its name. */
export interface NamedMember {
  /** All of its text before the value, such as `"name": `. */
  label: string;
  /** The rule of its value. */
  value: string;
  required: boolean;
}

/** What the members of an object can be. */
export interface Members {
  named: readonly NamedMember[];
  /** Rules for members behind those, any number of them. */
  rest?: { key: string; value: string };
  min: number;
  max: number;
}

/** Where members stand. */
export interface Enclosure {
  open: string;
  close: string;
}

/**
 * The EBNF of an object: named members in their order, those that are not required perhaps left out, then others.
 *
 * @returns undefined if no choice of members is within `min` and `max`.
 */
export function membersExpression(
  book: RuleBook,
  members: Members,
  { open, close }: Enclosure,
): string | undefined {
  const inside = new MemberStates(book, members, close).after(0, 0);
  return inside === undefined ? undefined : `${literal(open)} ${inside}`;
}

/** More states than this are in no object that people describe: members times how many of them are counted. */
const MAX_STATES = 20_000;

/** What may follow in an object, by how many named members are behind and how many members were written. */
class MemberStates {
  readonly #states = new Map<string, string | undefined>();
  readonly #max: number;
  /** More members than this make no difference. */
  readonly #cap: number;

  constructor(
    private readonly book: RuleBook,
    private readonly members: Members,
    private readonly close: string,
  ) {
    const { named, rest, min, max } = members;
    this.#max = rest === undefined && max >= named.length ? Infinity : max;
    this.#cap = this.#max === Infinity ? Math.max(min, 1) : this.#max + 1;
  }

  /** The EBNF of the rest of the object behind `index` named members, of which `written` were written. */
  after(index: number, written: number): string | undefined {
    const count = Math.min(written, this.#cap);
    const key = `${index} ${count}`;
    if (!this.#states.has(key)) {
      if (this.#states.size > MAX_STATES) {
        throw new TernionError('invalid-argument', 'An object of the schema has too many members to count.');
      }
      const member = this.members.named[index];
      if (!this.#isPossible(index, count)) this.#states.set(key, undefined);
      else this.#states.set(key, member ? this.#member(member, index, count) : this.#end(count, key));
    }
    return this.#states.get(key);
  }

  #member(member: NamedMember, index: number, count: number): string | undefined {
    const rest = this.after(index + 1, count + 1);
    const taken =
      rest === undefined ? undefined : `${literal(separator(count) + member.label)} ${member.value} ${rest}`;
    if (member.required) return taken;
    const choices = [taken, this.after(index + 1, count)].filter((choice) => choice !== undefined);
    return choices.length === 0 ? undefined : this.book.rule('members', choices.join(' | '));
  }

  #isPossible(index: number, count: number): boolean {
    const { named, rest, min } = this.members;
    const ahead = named.slice(index);
    const least = count + ahead.filter((member) => member.required).length;
    return least <= this.#max && (rest !== undefined || count + ahead.length >= min);
  }

  /** The end, or members without a name of their own before it. */
  #end(count: number, key: string): string | undefined {
    const { rest, min } = this.members;
    const closing = count >= min ? literal(this.close) : undefined;
    if (rest === undefined) return closing;
    const name = this.book.reserve('members');
    // Where more members make no difference, the state behind one is this one.
    this.#states.set(key, name);
    const following = this.after(this.members.named.length, count + 1);
    const comma = count > 0 ? `${literal(', ')} ` : '';
    const member =
      following === undefined ? [] : [`${comma}${rest.key} ${literal(': ')} ${rest.value} ${following}`];
    this.book.define(name, [...(closing === undefined ? [] : [closing]), ...member].join(' | '));
    return name;
  }
}

function separator(count: number): string {
  return count > 0 ? ', ' : '';
}

/** Items of an array. */
export interface Items {
  /** Rules of the first items, in their order. */
  first: readonly string[];
  /** The rule of those behind; none if there cannot be any. */
  rest?: string;
  min: number;
  max: number;
}

/** The EBNF of an array; undefined if no number of items is within `min` and `max`. */
export function itemsExpression({ first, rest, min, max }: Items): string | undefined {
  const most = rest === undefined ? Math.min(max, first.length) : max;
  if (min > most) return undefined;
  let more = '';
  // From the last place of its own backwards: each may be the last one, unless more items are needed.
  if (rest !== undefined && most > first.length) {
    more = following(rest, first.length, Math.max(min - first.length, 0), most - first.length);
  }
  for (let index = Math.min(first.length, most) - 1; index >= 0; index--) {
    const item = `${index > 0 ? '", " ' : ''}${first[index] ?? ''}${more === '' ? '' : ` ${more}`}`;
    more = index >= min ? `(${item})?` : item;
  }
  return `"[" ${more === '' ? '' : `${more} `}"]"`;
}

/** `min` to `max` items of one rule, behind `before` others. */
function following(item: string, before: number, min: number, max: number): string {
  if (before > 0) return repeated(`", " ${item}`, min, max);
  const more = max === 1 ? '' : ` ${repeated(`", " ${item}`, Math.max(min - 1, 0), max - 1)}`;
  return min === 0 ? `(${item}${more})?` : `${item}${more}`;
}
