// LM head with int8 rows in two planes, second half: the logits of rows that may be within a window of the best, as lm_head_int8
// has them to the bit: the same integers, in the same order of float operations. Of other rows they stay as they are.
//
//   logits[first_row + r] = Σ_c w[r, c]·s[r, c / 32]·x[c],  w = 17·h + d + l of src/formats/planes.ts, x = q / s_q, or f32
//
//   high    int4x32 [row_blocks of 8 rows, pieces of 64 columns, 2, 8 rows]: h
//   low     u32x4 [row_blocks, pieces, 2, 8 rows], then [row_blocks, ceil(pieces / 8), 8 rows]: l
//   scale   f16 [row_blocks, pieces, 8 rows, 2 groups of 32 columns], two a word
//   q       int8 [pieces·64], four a word; with `floats` x itself, f32, and nothing of what follows logits and shape
//   logits  f32 [vocabulary]
//   shape   (pieces, row_blocks, rows, first_row, workgroups along x, whether all rows are wanted)
//   sums    (1/s_q, -, -, -), then for each piece (k, Σ q²) of its two groups, as in lm_head_planes
//   upper   f32 [vocabulary]: what a logit is at most, from lm_head_planes
//   bound   Bound: a row may be within the window if upper ≥ the logit of the key - window
//
// A row is SPLIT threads', as in lm_head_int8: the parts of neighbouring rows lie side by side, so that where all rows are
// wanted memory is read in runs. A workgroup looks at ROW_BLOCKS blocks of 8 rows, of which mostly none is wanted.
// Workgroups: x·y ≥ row_blocks / ROW_BLOCKS.

import constants::{ROW_BLOCKS, SPLIT};
import package::lib::dot::{dot4, pack_bytes};
import package::lib::f16::unpack_f16;
import package::lib::planes::{dithers_of, even_chunk, four_of, odd_chunk, parts_of};

struct Shape { pieces: u32, row_blocks: u32, rows: u32, first_row: u32, groups_x: u32, everything: u32 }

struct Bound { key: u32, window: f32 }

@group(0) @binding(0) var<storage, read> high: array<vec4u>;
@group(0) @binding(1) var<storage, read> low: array<vec4u>;
@group(0) @binding(2) var<storage, read> scale: array<u32>;
@if(floats) @group(0) @binding(3) var<storage, read> q: array<vec4f>;
@if(!floats) @group(0) @binding(3) var<storage, read> q: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;
@group(0) @binding(5) var<uniform> shape: Shape;
@if(!floats) @group(0) @binding(6) var<storage, read> sums: array<vec4f>;
@if(!floats) @group(0) @binding(7) var<storage, read> upper: array<f32>;
@if(!floats) @group(0) @binding(8) var<storage, read> bound: Bound;

const threads = 8u * SPLIT;
@if(split) var<workgroup> partial: array<f32, threads * ROW_BLOCKS>;

// The least that `upper` has to be.
@if(!floats)
fn least_upper() -> f32 {
  let key = bound.key;
  return bitcast<f32>(select(~key, key & 0x7fffffffu, key >= 0x80000000u)) - bound.window;
}

// l of a quarter of a chunk as one number: `quad` counts those of a piece, whose lower bits are two vectors.
fn number_of(vector: vec4u, tops: u32, quad: u32) -> u32 {
  let word = vector[(quad >> 1u) & 3u];
  return ((word >> (16u * (quad & 1u))) & 0xffffu) | (((tops >> quad) & 1u) << 16u);
}

// Σ (l - 8)·q of a chunk.
@if(!floats)
fn lower_dot16(vector: vec4u, tops: u32, chunk: u32, x: vec4u) -> i32 {
  var sum = 0;
  @unroll(j, 4) { sum += dot4(pack_bytes(parts_of(number_of(vector, tops, chunk * 4u + $ju)) - vec4i(8)), x[$j]); }
  return sum;
}

// 17·Σ h·q + Σ (l - 8)·q of a group of two chunks.
@if(!floats)
fn dots_of_group(plane: vec4u, vector: vec4u, tops: u32, chunk: u32, piece: u32) -> i32 {
  let x0 = q[piece * 4u + chunk];
  let x1 = q[piece * 4u + chunk + 1u];
  let even = even_chunk(plane);
  let odd = odd_chunk(plane);
  var dots = 0;
  @unroll(j, 4) { dots += dot4(even[$j], x0[$j]) + dot4(odd[$j], x1[$j]); }
  return dots + (dots >> 4u) + lower_dot16(vector, tops, chunk, x0) + lower_dot16(vector, tops, chunk + 1u, x1);
}

// Σ w·x of four columns.
@if(floats)
fn dots_of_quad(upper: u32, vector: vec4u, tops: u32, quad: u32, piece: u32) -> f32 {
  let w = four_of(upper, number_of(vector, tops, quad), dithers_of(piece * 64u + quad * 4u));
  return dot(vec4f(w), q[piece * 16u + quad]);
}

@if(floats)
fn dots_of_group(plane: vec4u, vector: vec4u, tops: u32, chunk: u32, piece: u32) -> f32 {
  let even = even_chunk(plane);
  let odd = odd_chunk(plane);
  var dots = 0.0;
  @unroll(j, 4) { dots += dots_of_quad(even[$j], vector, tops, chunk * 4u + $ju, piece); }
  @unroll(j, 4) { dots += dots_of_quad(odd[$j], vector, tops, chunk * 4u + 4u + $ju, piece); }
  return dots;
}

// What pieces part, part + SPLIT… of a row come to.
fn sum_of_part(block: u32, row: u32, part: u32) -> f32 {
  let pieces = shape.pieces;
  let tops = shape.row_blocks * pieces * 16u + block * ((pieces + 7u) / 8u * 8u) + row;
  var sum = 0.0;
  for (var piece = part; piece < pieces; piece += SPLIT) {
    let groups = unpack_f16(scale[(block * pieces + piece) * 8u + row]);
    let at = (block * pieces + piece) * 16u + row;
    let top = low[tops + (piece >> 3u) * 8u][(piece >> 1u) & 3u] >> (16u * (piece & 1u));
    let dots0 = dots_of_group(high[at], low[at], top, 0u, piece);
    let dots1 = dots_of_group(high[at + 8u], low[at + 8u], top, 2u, piece);
    @if(!floats) let known = sums[piece + 1u];
    @if(floats) sum += dots0 * groups.x + dots1 * groups.y;
    @if(!floats) sum += f32(dots0 + i32(known.x)) * groups.x + f32(dots1 + i32(known.z)) * groups.y;
  }
  return sum;
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = lane & 7u;
  @if(split) let part = lane >> 3u;
  @if(!split) let part = 0u;
  let first_block = (group.y * shape.groups_x + group.x) * ROW_BLOCKS;
  @if(!floats) let least = least_upper();
  @if(!floats) let q_scale = sums[0].x;
  @if(floats) let q_scale = 1.0;
  // A bit for each block. What is no number is wanted, too.
  var wanted = 0u;
  @unroll(b, ROW_BLOCKS) {
    {
      let index = (first_block + $bu) * 8u + row;
      if (index < shape.rows) {
        @if(floats) wanted |= 1u << $bu;
        @if(!floats) { if (shape.everything != 0u || !(upper[shape.first_row + index] < least)) { wanted |= 1u << $bu; } }
      }
    }
  }
  let first_logit = shape.first_row + first_block * 8u + row;
  for (var b = 0u; b < ROW_BLOCKS; b++) {
    if ((wanted & (1u << b)) == 0u) { continue; }
    let sum = sum_of_part(first_block + b, row, part);
    @if(split) partial[b * threads + lane] = sum;
    @if(!split) logits[first_logit + b * 8u] = sum * q_scale;
  }
  @if(split) {
    workgroupBarrier();
    for (var b = part; b < ROW_BLOCKS; b += SPLIT) {
      if ((wanted & (1u << b)) == 0u) { continue; }
      var sum = partial[b * threads + row];
      for (var other = 1u; other < SPLIT; other++) { sum += partial[b * threads + other * 8u + row]; }
      logits[first_logit + b * 8u] = sum * q_scale;
    }
  }
}
