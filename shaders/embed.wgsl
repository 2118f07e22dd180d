// Embedding: x[t, :] = SCALE · table[ids[t], :].
//
//   ids     u32 [count]
//   table   one shard of the embedding: f16 [rows, DIM], two values a word; or, with `int8`, the codes of int8_rows, four
//           a word; or, with `ternary`, canonical codes of src/formats/canonical.ts, sixteen a word; or, with `q4_0`,
//           `q4_k` or `q6_k`, the codes of src/formats/block-rows.ts, PLANES vectors of four words for a piece of a row; or, with
//           `planes`, the upper plane of src/formats/planes.ts
//   x       f32 [count, DIM]
//   shape   (first row, rows) of the shard
//   low     with `planes` the lower one
//   scales  with `int8` or `planes` f16 [blocks of 8 rows, PIECES, 8 rows, 2 groups of 32 columns]; with `ternary`
//           f32 [blocks of 8 rows, GROUPS groups of GROUP_QUADS quads of columns, 8 rows]; with the last three the words
//           of that layout. Their numbers are those of the file to the last bit of f32: products of n and its scales are
//           exact, and one minimum is taken off
//
// One workgroup a token; a thread has four columns at a time. Shards write only the tokens that lie in them.

import constants::{DIM, PIECES, PLANES, GROUPS, GROUP_QUADS, THREADS, SCALE};
import package::lib::dot::unpack_bytes;
import package::lib::f16::unpack_f16;
import package::lib::planes::{dithers_of, four_of};

struct Shape { first_row: u32, rows: u32 }

@group(0) @binding(0) var<storage, read> ids: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(3) var<uniform> shape: Shape;
@if(int8 || planes || q4_0 || q4_k || q6_k) @group(0) @binding(4) var<storage, read> scales: array<u32>;
@if(ternary) @group(0) @binding(4) var<storage, read> scales: array<f32>;
@if(planes) @group(0) @binding(5) var<storage, read> low: array<u32>;

// Columns 4·i to 4·i + 3 of a row.
@if(!int8 && !planes && !ternary && !q4_0 && !q4_k && !q6_k)
fn quad(row: u32, i: u32) -> vec4f {
  let word = row * (DIM / 2u) + 2u * i;
  return vec4f(unpack2x16float(table[word]), unpack2x16float(table[word + 1u]));
}

@if(int8)
fn quad(row: u32, i: u32) -> vec4f {
  // Four quads are a chunk, of which four are a piece; eight quads are a group, two of which share a word.
  let word = table[(((row >> 3u) * (PIECES * 4u) + (i >> 2u)) * 8u + (row & 7u)) * 4u + (i & 3u)];
  let halves = unpack_f16(scales[((row >> 3u) * PIECES + (i >> 4u)) * 8u + (row & 7u)]);
  return vec4f(unpack_bytes(word)) * select(halves.x, halves.y, (i & 8u) != 0u);
}

@if(planes)
fn quad(row: u32, i: u32) -> vec4f {
  // Two chunks of four quads are a vector of a plane, two of these a piece.
  let chunk = (i >> 2u) & 3u;
  let vector = (((row >> 3u) * PIECES + (i >> 4u)) * 2u + (chunk >> 1u)) * 8u + (row & 7u);
  let upper = (table[vector * 4u + (i & 3u)] << (4u - 4u * (chunk & 1u))) & 0xf0f0f0f0u;
  let number = (low[vector * 4u + ((i >> 1u) & 3u)] >> (16u * (i & 1u))) & 0xffffu;
  let blocks = (shape.rows + 7u) / 8u;
  let top = blocks * (PIECES * 16u) + ((row >> 3u) * ((PIECES + 7u) / 8u) + (i >> 7u)) * 8u + (row & 7u);
  let highest = (low[top * 4u + ((i >> 5u) & 3u)] >> (i & 31u)) & 1u;
  let w = four_of(upper, number | (highest << 16u), dithers_of(4u * i));
  let halves = unpack_f16(scales[((row >> 3u) * PIECES + (i >> 4u)) * 8u + (row & 7u)]);
  return vec4f(w) * select(halves.x, halves.y, (i & 8u) != 0u);
}

@if(ternary)
fn quad(row: u32, i: u32) -> vec4f {
  // Four quads are a word, four words a chunk.
  let word = table[(((row >> 3u) * PIECES + (i >> 4u)) * 8u + (row & 7u)) * 4u + ((i >> 2u) & 3u)];
  let codes = vec4u(word >> (2u * (i & 3u))) >> vec4u(0u, 8u, 16u, 24u);
  let scale = scales[((row >> 3u) * GROUPS + i / GROUP_QUADS) * 8u + (row & 7u)];
  return (vec4f(codes & vec4u(3u)) - vec4f(1.0)) * scale;
}

// Four n of a row: a quad is a word, of which two chunks of four quads share one; four chunks are a piece.
@if(q4_0 || q4_k || q6_k)
fn codes(row: u32, i: u32) -> vec4f {
  let chunk = (i >> 2u) & 3u;
  let at = ((row >> 3u) * PIECES + (i >> 4u)) * (PLANES * 32u) + (row & 7u) * 4u + (i & 3u);
  let upper = (table[at + (chunk >> 1u) * 32u] << (4u - 4u * (chunk & 1u))) & 0xf0f0f0f0u;
  @if(q6_k) let lower = ((table[at + 64u] >> (2u * chunk)) & 0x03030303u) << 2u;
  // The bits of n are the uppermost of its byte.
  @if(q6_k) return vec4f(unpack_bytes(upper | lower)) * 0.25;
  @else return vec4f(unpack_bytes(upper)) * 0.0625;
}

@if(q4_0)
fn quad(row: u32, i: u32) -> vec4f {
  let d = unpack_f16(scales[((row >> 3u) * PIECES + (i >> 4u)) * 8u + (row & 7u)]);
  return codes(row, i) * select(d.x, d.y, (i & 8u) != 0u);
}

@if(q4_k || q6_k)
fn quad(row: u32, i: u32) -> vec4f {
  // Sixty-four quads are a group, which has a word for each piece, and one.
  let group = ((row >> 3u) * (PIECES / 4u) + (i >> 6u)) * 40u + (row & 7u);
  let of_piece = scales[group + ((i >> 4u) & 3u) * 8u];
  let of_group = unpack_f16(scales[group + 32u]);
  @if(q4_k) {
    let ab = vec2u(of_piece >> (12u * ((i >> 3u) & 1u))) >> vec2u(0u, 6u);
    let factors = of_group * vec2f(ab & vec2u(63u));
    return factors.x * (codes(row, i) + 8.0) - factors.y;
  }
  @if(q6_k) {
    let a = i32(of_piece << (24u - 8u * ((i >> 2u) & 3u))) >> 24u;
    return (of_group.x * f32(a)) * codes(row, i);
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = group.x;
  let row = ids[token] - shape.first_row;
  if (row >= shape.rows) { return; }
  for (var i = lane; i < DIM / 4u; i += THREADS) {
    x[token * (DIM / 4u) + i] = SCALE * quad(row, i);
  }
}
