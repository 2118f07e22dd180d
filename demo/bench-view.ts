// How the benchmark page shows a report: the verdict in words, bars, and tables.

import { besideOthers } from '../bench/core/comparison';
import { digits, percent } from '../bench/core/numbers';
import type { ModelReport, Report } from '../bench/core/report';
import { describeCeilings, tablesOf, type Table } from '../bench/core/tables';
import { verdictOf } from '../bench/core/verdict';
import { create } from './dom';

/** One bar: its length is `value` over the largest of its chart. */
interface Bar {
  name: string;
  value: number;
  /** The value as it is written beside the bar. */
  text: string;
  /** Stands out from the others. */
  own?: boolean;
}

/** All about one model, beside what `others` have measured of it. */
export function modelSection(
  adapter: Report['adapter'],
  model: ModelReport,
  others: readonly Report[],
): HTMLElement {
  const [first = 'Nothing was measured.', ...rest] = verdictOf(model);
  const notes = [describeCeilings(model.ceilings), ...model.notes].map((text) => create('li', { text }));
  return create(
    'section',
    { class: 'result' },
    create('h2', { text: `${model.model} (${model.architecture})` }),
    create('p', { class: 'verdict', text: first }),
    create('p', { class: 'hint', text: rest.join(' ') }),
    ...charts(adapter, model, others),
    create('ul', { class: 'plain' }, ...notes),
    ...tablesOf(model).map(tableElement),
  );
}

function charts(adapter: Report['adapter'], model: ModelReport, others: readonly Report[]): HTMLElement[] {
  const entries = besideOthers(adapter, model, others);
  const beside = (value: 'decode' | 'prefill'): Bar[] =>
    entries.flatMap((entry) => {
      const rate = entry[value];
      const name = entry.own ? `${entry.adapter} (yours)` : entry.adapter;
      return rate === undefined ? [] : [{ name, value: rate, text: digits(rate), own: entry.own }];
    });
  return [
    barChart('Share of what this GPU can do', shares(model), 1),
    barChart('Decoding, tokens a second', beside('decode')),
    barChart('Reading a prompt, tokens a second', beside('prefill')),
  ].filter((chart) => chart !== undefined);
}

function shares({ decode, prefill }: ModelReport): Bar[] {
  const bars = (what: string, speeds: ModelReport['decode']): Bar[] =>
    speeds.flatMap((speed) => {
      if ('skipped' in speed) return [];
      const share = speed.efficiencyOfBest;
      return [{ name: `${what} ${speed.tokens}`, value: share, text: percent(share), own: true }];
    });
  return [...bars('Decode at context', decode), ...bars('Prompt of', prefill)];
}

/** Bars from 0 to `full`, or to the largest value: a table, so that a screen reader reads names and values. */
function barChart(title: string, bars: readonly Bar[], full = 0): HTMLElement | undefined {
  if (bars.length === 0) return undefined;
  const longest = Math.max(full, ...bars.map(({ value }) => value));
  const rows = bars.map(({ name, value, text, own }) => {
    const bar = create('span', { class: own ? 'gauge own' : 'gauge' });
    bar.style.width = `${(100 * value) / longest}%`;
    bar.setAttribute('aria-hidden', 'true');
    const track = create('span', { class: 'track' }, bar);
    return create('tr', {}, headerCell(name, 'row'), create('td', {}, track, create('span', { text })));
  });
  return create('table', { class: 'bars' }, create('caption', { text: title }), create('tbody', {}, ...rows));
}

function tableElement({ title, columns, rows }: Table): HTMLElement {
  const named = columns.some((column) => column !== '');
  const head = create('tr', {}, ...columns.map((text) => headerCell(text, 'col')));
  const body = rows.map(([first = '', ...cells]) =>
    create('tr', {}, headerCell(first, 'row'), ...cells.map((text) => create('td', { text }))),
  );
  const table = create('table', { class: named ? 'figures-table' : '' }, create('caption', { text: title }));
  if (named) table.append(create('thead', {}, head));
  table.append(create('tbody', {}, ...body));
  const scroll = create('div', { class: 'scroll' }, table);
  // What can be scrolled must be reachable without a mouse.
  scroll.tabIndex = 0;
  scroll.setAttribute('role', 'region');
  scroll.setAttribute('aria-label', title);
  return scroll;
}

function headerCell(text: string, scope: 'col' | 'row'): HTMLTableCellElement {
  const cell = create('th', { text });
  cell.scope = scope;
  return cell;
}
