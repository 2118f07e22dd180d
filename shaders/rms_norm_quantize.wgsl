// RMSNorm and quantisation of an activation row, in one pass over it: what stands before every ternary matrix.
//   y = x / sqrt(mean(x²) + EPSILON) · weight, or y = x with `plain`
//   s = 127 / max(max|y|, LEAST);  q = clamp(round(y·s), -128, 127), rounding half to even
//
//   x       f32 [count, COLS]
//   q       int8 [count, PADDED], four a word; columns from COLS on are 0. With `pairs` two a word: of columns a, b, c, d
//           first a·2^16 + c, then b·2^16 + d, as ternary_matmul multiplies them. With `floats` f32: y itself
//   scales  vec2f [count]: (1/s, Σ q), what the matrix kernels need beside the products; (1, 0) with `floats`.
//           With `groups` vec2f [count, PADDED/64]: the same for every group of 64 columns
//           With `plane_sums` (and only one token) behind that what an LM head in planes needs, from the third on
//           vec2f [PADDED/32] (Σ (d + 8)·q, Σ q²) for every group of 32 columns, d as in src/formats/planes.ts
//   weight  f32 [COLS], unless `plain`
//   bound   u32, with `plane_sums`: becomes 0
//   state   State, with `last_row`: only the last token, row count - 1 of x, is wanted, as row 0 of the result
//
// With `group_scale` each group has an s of its own; else all of a row have one, which is the scale of models that were
// trained with int8 activations. One workgroup a token. With `held` each thread has HELD vectors of the row in registers,
// so that all is read at once and only once, and what a group's 16 vectors need of each other goes through workgroup memory;
// without, a thread makes whole groups.
// max|y| = max|x·weight| / rms, so that one reading of x gives both the mean square and the scale.
// Where Σ x² is summed and is no finite number, 1/s is none either: integers alone would make a row like any other of it.

import constants::{COLS, PADDED, THREADS, EPSILON};
import package::lib::dot::{dot4, pack_bytes};
import package::lib::finite::is_finite;
import package::lib::planes::dithers_of;
import package::lib::reduce::reduce_sum_max;
import package::lib::state::State;

@if(one_subgroup || by_subgroups) enable subgroups;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@if(floats) @group(0) @binding(1) var<storage, read_write> q: array<vec4f>;
@if(pairs) @group(0) @binding(1) var<storage, read_write> q: array<vec2u>;
@if(!pairs && !floats) @group(0) @binding(1) var<storage, read_write> q: array<u32>;
@group(0) @binding(2) var<storage, read_write> scales: array<vec2f>;
@if(!plain) @group(0) @binding(3) var<storage, read> weight: array<vec4f>;
@if(last_row) @group(0) @binding(4) var<storage, read> state: State;
@if(plane_sums) @group(0) @binding(5) var<storage, read_write> bound: array<u32>;

const vectors = u32(COLS) / 4u;
const groups = u32(PADDED) / 64u;
// The largest |y| of a row counts as no less than training took it for; that of a group, as what keeps 1/s a number.
@if(group_scale) const least = 1e-30;
@if(!group_scale) const least = 1e-5;

fn largest(v: vec4f) -> f32 {
  let a = max(abs(v.xy), abs(v.zw));
  return max(a.x, a.y);
}

// With `held` and `groups`: what each vector of the row contributes, and what becomes of each group.
@if(held && groups) var<workgroup> of_vector: array<u32, PADDED / 4u>;
@if(held && group_scale) var<workgroup> s_of_group: array<f32, groups>;

// Columns 4i to 4i + 3 of x, whose row begins at `row`, and of the weights.
fn x_at(row: u32, i: u32) -> vec4f { return x[row + i]; }
@if(plain) fn weight_at(i: u32) -> vec4f { return vec4f(1.0); }
@if(!plain) fn weight_at(i: u32) -> vec4f { return weight[i]; }

@if(plain) fn normalised(v: vec4f, w: vec4f, rms: f32) -> vec4f { return v; }
@if(!plain) fn normalised(v: vec4f, w: vec4f, rms: f32) -> vec4f { return v / rms * w; }

// What max|y| is the largest of, times rms.
@if(plain) fn weighted(v: vec4f, w: vec4f) -> f32 { return largest(v); }
@if(!plain) fn weighted(v: vec4f, w: vec4f) -> f32 { return largest(v * w); }

// 1/s; or, where the row's Σ x² is no finite number, that.
fn inverse_of(s: f32, squares: f32) -> f32 { return select(squares, 1.0 / s, is_finite(squares)); }

// Writes columns 4i to 4i + 3, gives their sum.
@if(floats)
fn put(at: u32, y: vec4f, s: f32) -> i32 {
  q[at] = y;
  return 0;
}
@if(!floats)
fn put(at: u32, y: vec4f, s: f32) -> i32 {
  let rounded = clamp(vec4i(round(y * s)), vec4i(-128), vec4i(127));
  @if(pairs) q[at] = vec2u((rounded.xy << vec2u(16u)) + rounded.zw);
  @if(!pairs) q[at] = pack_bytes(rounded);
  return rounded.x + rounded.y + rounded.z + rounded.w;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = group.x;
  @if(last_row) let row = (state.count - 1u) * vectors;
  @if(!last_row) let row = token * vectors;
  var rms = 1.0;
  var s = 1.0;
  var squares = 0.0;
  let out = token * (PADDED / 4u);
  // Beyond the row zeros.
  @unroll(k, HELD) {
    let i$k = lane + $ku * THREADS;
    let at$k = min(i$k, vectors - 1u);
    let x$k = select(vec4f(0.0), x_at(row, at$k), i$k < vectors);
    let w$k = weight_at(at$k);
  }
  // A plain row that needs no scale needs no sum either.
  @if(!plain || !(floats || group_scale)) {
    var sum_max = vec2f(0.0);
    @unroll(k, HELD) { sum_max = vec2f(sum_max.x + dot(x$k, x$k), max(sum_max.y, weighted(x$k, w$k))); }
    @if(!held) {
      for (var i = lane; i < vectors; i += THREADS) {
        let v = x_at(row, i);
        sum_max = vec2f(sum_max.x + dot(v, v), max(sum_max.y, weighted(v, weight_at(i))));
      }
    }
    sum_max = reduce_sum_max(sum_max, lane);
    squares = sum_max.x;
    @if(!plain) rms = sqrt(sum_max.x / f32(COLS) + EPSILON);
    @if(!floats && !group_scale) s = 127.0 / max(sum_max.y / rms, least);
  }
  @unroll(k, HELD) { let y$k = normalised(x$k, w$k, rms); }

  @if(held && group_scale) {
    @unroll(k, HELD) { if (i$k < PADDED / 4u) { of_vector[i$k] = bitcast<u32>(largest(y$k)); } }
    workgroupBarrier();
    for (var index = lane; index < groups; index += THREADS) {
      var most = 0.0;
      @unroll(j, 16) { most = max(most, bitcast<f32>(of_vector[index * 16u + $ju])); }
      s_of_group[index] = 127.0 / max(most, least);
    }
    workgroupBarrier();
  }
  @if(held && groups) {
    @unroll(k, HELD) {
      if (i$k < PADDED / 4u) {
        @if(group_scale) let s$k = s_of_group[i$k / 16u];
        @if(!group_scale) let s$k = s;
        of_vector[i$k] = bitcast<u32>(put(out + i$k, y$k, s$k));
      }
    }
    workgroupBarrier();
    for (var index = lane; index < groups; index += THREADS) {
      var sum = 0;
      @unroll(j, 16) { sum += bitcast<i32>(of_vector[index * 16u + $ju]); }
      @if(group_scale) s = s_of_group[index];
      scales[token * groups + index] = vec2f(inverse_of(s, squares), f32(sum));
    }
  }
  @if(!held && groups) {
    for (var index = lane; index < groups; index += THREADS) {
      let first = index * 16u;
      let end = min(first + 16u, vectors);
      @if(group_scale) {
        var most = 0.0;
        for (var i = first; i < end; i++) {
          most = max(most, largest(normalised(x_at(row, i), weight_at(i), rms)));
        }
        s = 127.0 / max(most, least);
      }
      var sum = 0;
      for (var i = first; i < first + 16u; i++) {
        var y = vec4f(0.0);
        if (i < end) { y = normalised(x_at(row, i), weight_at(i), rms); }
        sum += put(out + i, y, s);
      }
      scales[token * groups + index] = vec2f(inverse_of(s, squares), f32(sum));
    }
  }
  @if(!groups) {
    var sum = 0;
    @unroll(k, HELD) { if (i$k < PADDED / 4u) { sum += put(out + i$k, y$k, s); } }
    @if(!held) {
      for (var i = lane; i < PADDED / 4u; i += THREADS) {
        var y = vec4f(0.0);
        if (i < vectors) { y = normalised(x_at(row, i), weight_at(i), rms); }
        sum += put(out + i, y, s);
      }
    }
    @if(!one_subgroup) workgroupBarrier();
    let total = reduce_sum_max(vec2f(f32(sum), 0.0), lane);
    if (lane == 0u) { scales[token] = vec2f(inverse_of(s, squares), total.x); }
  }
  @if(plane_sums) {
    // What other threads of the workgroup have written.
    storageBarrier();
    for (var index = lane; index < u32(PADDED) / 32u; index += THREADS) {
      var sums = vec2i(0);
      @unroll(j, 8) {
        {
          let four = q[index * 8u + $ju];
          sums += vec2i(dot4(four, pack_bytes(dithers_of(index * 32u + $(4*j)u) + vec4i(8))), dot4(four, four));
        }
      }
      scales[2u + index] = vec2f(sums);
    }
    if (lane == 0u) { bound[0] = 0u; }
  }
}
