// The ornament of the page: two waves, quantised to three values as the model's weights are, drawn as − ○ +.

const COLUMNS = 40;
const ROWS = 6;
const CELL = 16;

/** The value of a cell: -1, 0 or +1. */
function ternary(column: number, row: number): number {
  const wave = Math.sin(column * 0.34 + row * 0.62) + Math.sin(column * 0.21 - row * 0.85 + 1.2);
  return Math.max(-1, Math.min(1, Math.round(wave * 0.85)));
}

/** The strokes of a cell, as SVG path data around its centre. */
function stroke(value: number, x: number, y: number): string {
  if (value < 0) return `M${x - 3.5} ${y}h7`;
  if (value > 0) return `M${x - 3.5} ${y}h7M${x} ${y - 3.5}v7`;
  return `M${x - 1.6} ${y}a1.6 1.6 0 1 0 3.2 0a1.6 1.6 0 1 0-3.2 0`;
}

/**
 * Prepares `svg` and returns the function that draws it: columns up to `fraction` (0 to 1) carry their values, the
 * others are points.
 */
export function weave(svg: SVGSVGElement): (fraction: number) => void {
  svg.setAttribute('viewBox', `0 0 ${COLUMNS * CELL} ${ROWS * CELL}`);
  const path = (name: string): SVGPathElement => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    element.setAttribute('class', name);
    svg.append(element);
    return element;
  };
  const paths = { '-1': path('minus'), '0': path('zero'), '1': path('plus'), blank: path('blank') };
  let drawn = -1;

  return (fraction) => {
    const filled = Math.round(fraction * COLUMNS);
    if (filled === drawn) return;
    drawn = filled;
    const data = { '-1': '', '0': '', '1': '', blank: '' };
    for (let row = 0; row < ROWS; row++) {
      for (let column = 0; column < COLUMNS; column++) {
        const x = (column + 0.5) * CELL;
        const y = (row + 0.5) * CELL;
        const value = ternary(column, row);
        if (column < filled) data[`${value}` as '-1' | '0' | '1'] += stroke(value, x, y);
        else data.blank += `M${x} ${y}h0`;
      }
    }
    for (const key of ['-1', '0', '1', 'blank'] as const) paths[key].setAttribute('d', data[key]);
  };
}
