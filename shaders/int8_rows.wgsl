// Rows of f16 as rows of int8, in groups of 32 columns that have a scale each, as Q8_0 has them: scale[r, g] is the
// smallest f16 that is not below max|w[r, g, :]| / 127, and code[r, c] = round(w[r, c] / scale[r, c / 32]).
//
//   source  f16 [rows, cols], two values a word: rows of a matrix on their way
//   codes   int8x16 [blocks of 8 rows, pieces · 4 chunks of 16 columns, 8 rows]: a thread a row, as in the ternary layout
//   scales  f16 [blocks of 8 rows, pieces, 8 rows, 2 groups], two a word
//
// With `planes` the codes are in the two planes of src/formats/planes.ts:
//
//   codes   int4x32 [blocks, pieces, 2, 8 rows]: h
//   low     u32x4 [blocks, pieces, 2, 8 rows], then [blocks, ceil(pieces / 8), 8 rows]: l; all zeros before
//
//   shape   (first row in the source, first row in the result, rows, cols, pieces of 64 columns,
//           blocks of 8 rows in the result)
//
// A thread makes 64 columns of one row. Columns from cols on are 0; so are rows beyond the last, which are left alone.
// Workgroups: x ≥ rows · pieces / 64.

import package::lib::dot::pack_bytes;
import package::lib::f16::unpack_f16;
import package::lib::planes::{PLANE_STEP, dithers_of, number_of_parts};

struct Shape { source_row: u32, result_row: u32, rows: u32, cols: u32, pieces: u32, blocks: u32 }

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> codes: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> scales: array<u32>;
@group(0) @binding(3) var<uniform> shape: Shape;
@if(planes) @group(0) @binding(4) var<storage, read_write> low: array<atomic<u32>>;

// The bits of the smallest f16 that is not below `value`, which is positive and below 65504. By integers: a compiler may
// take it that what was packed and unpacked again is what it was.
fn half_above(value: f32) -> u32 {
  // Below 2^-14 halves are multiples of 2^-24.
  if (value < 6.103515625e-5) { return u32(ceil(value * 16777216.0)); }
  return (bitcast<u32>(value) - 0x38000000u + 0x1fffu) >> 13u;
}

// Columns 2·word and 2·word + 1 of a row that begins at `start`.
fn two(start: u32, word: u32) -> vec2f {
  if (word >= shape.cols / 2u) { return vec2f(0.0); }
  return unpack2x16float(source[start + word]);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x / shape.pieces;
  if (row >= shape.rows) { return; }
  let piece = id.x % shape.pieces;
  let first_word = (shape.source_row + row) * (shape.cols / 2u);
  let to = shape.result_row + row;
  var halves = vec2u(0u);
  @if(planes) var tops = 0u;
  for (var g = 0u; g < 2u; g++) {
    let first = piece * 32u + g * 16u;
    var largest = 0.0;
    for (var i = 0u; i < 16u; i++) {
      let pair = abs(two(first_word, first + i));
      largest = max(largest, max(pair.x, pair.y));
    }
    halves[g] = half_above(largest / 127.0);
    let inverse = select(0.0, 1.0 / unpack_f16(halves[g]).x, halves[g] != 0u);
    @if(planes) var upper = vec4u(0u);
    @if(planes) var numbers = vec4u(0u);
    for (var chunk = 0u; chunk < 2u; chunk++) {
      @if(!planes) var packed = vec4u(0u);
      for (var j = 0u; j < 4u; j++) {
        let word = first + chunk * 8u + 2u * j;
        let four = vec4i(round(vec4f(two(first_word, word), two(first_word, word + 1u)) * inverse));
        @if(!planes) packed[j] = pack_bytes(four);
        @if(planes) {
          let rest = four - dithers_of(2u * word);
          // Rounded down: what is divided is no less than 1.
          let h = (rest + vec4i(8 * PLANE_STEP)) / PLANE_STEP - vec4i(8);
          let number = number_of_parts(vec4u(rest - h * PLANE_STEP));
          upper[j] |= (pack_bytes(h) & 0x0f0f0f0fu) << (4u * chunk);
          numbers[2u * chunk + (j >> 1u)] |= (number & 0xffffu) << (16u * (j & 1u));
          tops |= (number >> 16u) << (g * 8u + chunk * 4u + j);
        }
      }
      @if(!planes) codes[((to >> 3u) * (shape.pieces * 4u) + piece * 4u + g * 2u + chunk) * 8u + (to & 7u)] = packed;
    }
    @if(planes) {
      let at = ((to >> 3u) * (shape.pieces * 2u) + piece * 2u + g) * 8u + (to & 7u);
      codes[at] = upper;
      @unroll(j, 4) { atomicStore(&low[at * 4u + $ju], numbers[$j]); }
    }
  }
  @if(planes) {
    let vector = shape.blocks * shape.pieces * 16u + ((to >> 3u) * ((shape.pieces + 7u) / 8u) + (piece >> 3u)) * 8u + (to & 7u);
    // Two pieces share a word.
    atomicOr(&low[vector * 4u + ((piece >> 1u) & 3u)], tops << (16u * (piece & 1u)));
  }
  scales[((to >> 3u) * shape.pieces + piece) * 8u + (to & 7u)] = halves.x | (halves.y << 16u);
}
