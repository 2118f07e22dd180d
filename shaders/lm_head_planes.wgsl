// LM head with int8 rows in two planes, first half: from the upper plane alone about what each logit is, and what it is at most.
//
//   logits[first_row + r] = Σ_g s[r, g]·(17·Σ_c h[r, c]·q[c] + k[g]) / s_q,  k[g] = Σ_c (d[c] + 8)·q[c], columns c of group g
//   t[r] = FACTOR·√(Σ_g s[r, g]²·Σ_c q[c]²) / s_q: the true one is nearer than that, see src/formats/planes.ts
//
//   high    int4x32 [row_blocks of 8 rows, pieces of 64 columns, 2, 8 rows]: h of src/formats/planes.ts
//   scale   f16 [row_blocks, pieces, 8 rows, 2 groups of 32 columns], two a word: s
//   q       int8 [pieces·64], four a word
//   sums    (1/s_q, -, -, -), then for each piece (k, Σ q²) of its two groups, from rms_norm_quantize
//   logits  f32 [vocabulary]
//   upper   f32 [vocabulary]: logits + t
//   bound   Bound: the largest logits - t of all rows, as a key; 0 before, which rms_norm_quantize makes it
//   shape   (pieces, row_blocks, rows, first_row, workgroups along x, -)
//
// Threads, BLOCKS, SPLIT and `broadcast` are as in lm_head_int8. Variants differ by float rounding.
// Workgroups: x·y ≥ row_blocks / BLOCKS, folded because a dimension has at most 65,535.

import constants::{BLOCKS, SPLIT, FACTOR};
import package::lib::dot::dot4;
import package::lib::f16::unpack_f16;
import package::lib::planes::{even_chunk, odd_chunk};

@if(broadcast) enable subgroups;

struct Shape { pieces: u32, row_blocks: u32, rows: u32, first_row: u32, groups_x: u32, everything: u32 }

struct Bound { key: atomic<u32>, window: f32 }

@group(0) @binding(0) var<storage, read> high: array<vec4u>;
@group(0) @binding(1) var<storage, read> scale: array<u32>;
@group(0) @binding(2) var<storage, read> q: array<vec4u>;
@group(0) @binding(3) var<storage, read> sums: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;
@group(0) @binding(5) var<storage, read_write> upper: array<f32>;
@group(0) @binding(6) var<storage, read_write> bound: Bound;
@group(0) @binding(7) var<uniform> shape: Shape;

const threads = 8u * SPLIT;
@if(split) var<workgroup> partial: array<vec2f, threads * BLOCKS>;

fn dot16(w: vec4u, x: vec4u) -> i32 {
  return dot4(w.x, x.x) + dot4(w.y, x.y) + dot4(w.z, x.z) + dot4(w.w, x.w);
}

// 17·n of 16·n.
fn in_steps_of_17(n: i32) -> f32 { return f32(n + (n >> 4u)); }

// Sorts as the number does.
fn key_of_bound(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

@compute @workgroup_size(threads)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @if(broadcast) @builtin(subgroup_invocation_id) sublane: u32,
) {
  let row = lane & 7u;
  @if(split) let part = lane >> 3u;
  @if(!split) let part = 0u;
  let pieces = shape.pieces;
  let first_block = (group.y * shape.groups_x + group.x) * BLOCKS;
  @unroll(b, BLOCKS) {
    let block$b = min(first_block + $bu, shape.row_blocks - 1u);
    let base$b = block$b * (pieces * 16u) + row;
    let scale_base$b = block$b * (pieces * 8u) + row;
    // Of the products, and of the squares.
    var sum$b = vec2f(0.0);
  }
  for (var piece = part; piece < pieces; piece += SPLIT) {
    let known = sums[piece + 1u];
    @if(broadcast) let mine = q[piece * 4u + (sublane & 3u)];
    @unroll(k, 4) {
      @if(broadcast) let x$k = subgroupBroadcast(mine, $ku);
      @if(!broadcast) let x$k = q[piece * 4u + $ku];
    }
    @unroll(b, BLOCKS) {
      {
        let s = unpack_f16(scale[scale_base$b + piece * 8u]);
        let plane0 = high[base$b + piece * 16u];
        let plane1 = high[base$b + piece * 16u + 8u];
        let dots0 = in_steps_of_17(dot16(even_chunk(plane0), x0) + dot16(odd_chunk(plane0), x1));
        let dots1 = in_steps_of_17(dot16(even_chunk(plane1), x2) + dot16(odd_chunk(plane1), x3));
        sum$b += s.x * vec2f(dots0 + known.x, s.x * known.y) + s.y * vec2f(dots1 + known.z, s.y * known.w);
      }
    }
  }
  @if(split) {
    @unroll(b, BLOCKS) { partial[lane * BLOCKS + $bu] = sum$b; }
    workgroupBarrier();
    if (part != 0u) { return; }
    for (var other = 1u; other < SPLIT; other++) {
      @unroll(b, BLOCKS) { sum$b += partial[(other * 8u + row) * BLOCKS + $bu]; }
    }
  }
  let q_scale = sums[0].x;
  var most = 0u;
  @unroll(b, BLOCKS) {
    {
      let index = (first_block + $bu) * 8u + row;
      if (index < shape.rows) {
        let logit = sum$b.x * q_scale;
        let off = FACTOR * sqrt(sum$b.y) * q_scale;
        logits[shape.first_row + index] = logit;
        upper[shape.first_row + index] = logit + off;
        most = max(most, key_of_bound(logit - off));
      }
    }
  }
  // Few are larger than all before, so few wait for one another.
  if (most > atomicLoad(&bound.key)) { atomicMax(&bound.key, most); }
}
