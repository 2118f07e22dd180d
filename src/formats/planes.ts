// Int8 numbers in two planes of four bits, of which the upper one says most: how a number is split, and how planes lie on the GPU.
//
// A number w of column c is 17·h + d(c) + l, with h of -8…7 and l of 0…16. The dither d is the same for all rows, of -8…8, and
// pseudo-random. So how far a product is from that of 17·h + d + 8 alone is a sum of independent, evenly distributed l - 8 times
// activations, whatever the weights are; `boundFactor` says what follows.
//
// Steps of 17 and not of 16: the numbers of -127…127 are 255, which with steps of 16 leaves one place in 256, and nothing to
// move. Four of l are one number of 17 bits, which has its lowest 16 in the plane and its highest one apart.
//
//   high    u32x4 [blocks of 8 rows, pieces of 64 columns, 2, 8 rows]: h as the blocks of Q4_0 have theirs (block-rows.ts), the
//           four bits of a byte's upper half for odd chunks of 16 columns, of the lower one for even ones
//   low     u32x4 [blocks, pieces, 2, 8 rows]: in each half of a word l₀ + 17·l₁ + 289·l₂ + 4913·l₃ of four columns, without the
//           highest bit; behind all that
//           u32x4 [blocks, groups of 8 pieces, 8 rows]: those bits, 16 for each piece
//   scales  f16 [blocks, pieces, 8 rows, 2 groups of 32 columns], as in shaders/int8_rows.wgsl

/** Numbers between one h and the next. */
export const PLANE_STEP = 17;

/** Columns of a piece. */
const PIECE = 64;

/** Pieces whose highest bits are one vector of four words. */
const TOP_PIECES = 8;

/** Words of a row in each buffer, and where in the low one the highest bits begin, as vectors of a block of eight rows. */
export interface PlaneRow {
  pieces: number;
  /** Vectors of the highest bits. */
  tops: number;
  high: number;
  low: number;
  scales: number;
}

export function planeRow(cols: number): PlaneRow {
  const pieces = Math.ceil(cols / PIECE);
  const tops = Math.ceil(pieces / TOP_PIECES);
  return { pieces, tops, high: pieces * 8, low: pieces * 8 + tops * 4, scales: pieces };
}

/** d of a column, -8…8: MurmurHash3's last step. shaders/lib/planes.wgsl has the same. */
export function ditherOf(column: number): number {
  let x = Math.imul(column + 1, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (((x ^ (x >>> 16)) >>> 0) % PLANE_STEP) - 8;
}

/** h and l of a number of -127…127. */
export function splitCode(code: number, dither: number): { high: number; low: number } {
  const high = Math.floor((code - dither) / PLANE_STEP);
  return { high, low: code - dither - PLANE_STEP * high };
}

/** How likely the bound of one row does not hold in one step. */
export const MISS = 1e-12;

/**
 * What √(Σ s²·a²) of a row is multiplied by to give the bound: activations a, scales s of the groups. The error is Σ s·a·e with e evenly
 * distributed on -8…8, whose variance is 24. Such e are strictly sub-Gaussian: with f(x) = sinh(x) / x their moment-generating
 * function is f(17·λ/2) / f(λ/2), and ln f(√t) is concave with slope 1/6 at 0, so it is at most exp(24·λ²/2). Hence (Chernoff) more
 * than c·√(Σ s²·a²) to one side has a probability of at most exp(-c²/48). The sums of f32 add what their rounding can come to.
 */
export function boundFactor(cols: number): number {
  const groups = Math.ceil(cols / 32);
  // Of n terms whose magnitudes add up to at most 144·√cols times that root (|17·h + d + 8| ≤ 144), here and in the exact sum.
  const rounding = 2 * (groups + 8) * 2 ** -24 * 144 * Math.sqrt(cols);
  return Math.sqrt(-48 * Math.log(MISS)) + rounding;
}

/** int8 [rows, cols] in the two planes, rows padded to whole blocks: what shaders/int8_rows.wgsl makes of the same codes. */
export function packPlanes(codes: Int8Array, cols: number): { high: Uint32Array; low: Uint32Array } {
  const { pieces, tops, high: highWords, low: lowWords } = planeRow(cols);
  const rows = codes.length / cols;
  const blocks = Math.ceil(rows / 8);
  const high = new Uint32Array(blocks * 8 * highWords);
  const low = new Uint32Array(blocks * 8 * lowWords);
  for (let row = 0; row < rows; row++) {
    const [block, inBlock] = [row >> 3, row & 7];
    for (let piece = 0; piece < pieces; piece++) {
      const vector = (block * pieces + piece) * 16 + inBlock;
      const top = blocks * pieces * 16 + (block * tops + (piece >> 3)) * 8 + inBlock;
      for (let quad = 0; quad < 16; quad++) {
        const at = (vector + (quad >> 3) * 8) * 4;
        let number = 0;
        for (let i = 3; i >= 0; i--) {
          const col = piece * PIECE + quad * 4 + i;
          const split = splitCode(col < cols ? codes[row * cols + col]! : 0, ditherOf(col));
          high[at + (quad & 3)]! |= (split.high & 15) << (8 * i + 4 * ((quad >> 2) & 1));
          number = number * PLANE_STEP + split.low;
        }
        low[at + ((quad >> 1) & 3)]! |= (number & 0xffff) << (16 * (quad & 1));
        low[top * 4 + ((piece >> 1) & 3)]! |= (number >> 16) << (16 * (piece & 1) + quad);
      }
    }
  }
  return { high, low };
}
