// RMSNorm, int8 quantisation and ternary matrix × vector in one, for one token: what rms_norm_quantize and ternary_matmul make
// one after the other, without a dispatch and a way through memory between them.
//   v = x / rms · weight, rms = sqrt(mean(x²) + EPSILON); or v = x, rms = 1 with `plain`
//   s = 127 / max(max|v|, LEAST);  q = clamp(round(v·s), -128, 127), rounding half to even
//   y[r] = (Σ_c code[r, c]·q[c] − Σ_c q[c]) · scale[r] / s,  code = weight of the matrix + 1
//
//   weights  u32x4 [row_blocks of 8 rows, PADDED / 64 chunks of 64 columns, 8 rows]: see src/formats/canonical.ts
//   scale    f32 [row_blocks, 8 rows]
//   x        f32 [COLS]
//   y        f32 [column + out], of which columns from `column` on are written
//   shape    (chunks, row_blocks, out, first_block, column): not constants, so that matrices of one width share their pipelines, and
//            compilers do not unroll the loop. Rows are those of row_blocks blocks from first_block on
//   weight   f32 [COLS], unless `plain`
//
// Every workgroup makes the same row of q for itself, in workgroup memory: that costs less than a dispatch whose result all of
// them would have to wait for. All that can be is on its way at once: the row and its weights, of which a thread has PIECES times 16
// columns, the first codes of the matrix, scales, and what y holds. Codes for the next trip are loaded before those of the last
// one are multiplied. q depends on rms only as 1/s does: the largest of x·weight stands for 127 whatever it is divided by.
//
// Else as in ternary_matmul: a thread owns one row of each of BLOCKS row blocks and every SPLIT-th chunk of its columns, a
// workgroup is THREADS = 8·SPLIT threads; `pairs` and the variants of the result are those. In the end the threads of OUTS parts have
// a row of the result each, and add up what the parts have of it, TOGETHER at once. Workgroups: x = row blocks of the result / OUTS.

import constants::{COLS, PADDED, EPSILON, BLOCKS, OUTS, SPLIT, THREADS, PIECES, TOGETHER};
import package::lib::dot::{dot4, pack_bytes};
import package::lib::finite::is_finite;
import package::lib::reduce::reduce_sum_max;

@if(one_subgroup || by_subgroups) enable subgroups;

struct Shape { chunks: u32, row_blocks: u32, out: u32, first_block: u32, column: u32 }

@group(0) @binding(0) var<storage, read> weights: array<vec4u>;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> shape: Shape;
@if(!plain) @group(0) @binding(5) var<storage, read> weight: array<vec4f>;

const vectors = u32(COLS) / 4u;
const pieces = u32(PADDED) / 16u;
// The largest |v| counts as no less than training took it for.
const least = 1e-5;

// What one in a sum stands for.
@if(pairs) const unit = 1.0 / 65536.0;
@if(!pairs) const unit = 1.0;

// The row as int8, and the sum of it.
@if(pairs) var<workgroup> q: array<vec4u, 2u * pieces>;
@if(!pairs) var<workgroup> q: array<vec4u, pieces>;
var<workgroup> sum_of_q: atomic<i32>;
// Sums of a row's parts: [BLOCKS, SPLIT, 8 rows].
@if(pairs) var<workgroup> sums: array<f32, BLOCKS * THREADS>;
@if(!pairs) var<workgroup> sums: array<i32, BLOCKS * THREADS>;

fn largest(v: vec4f) -> f32 {
  let a = max(abs(v.xy), abs(v.zw));
  return max(a.x, a.y);
}

// The upper half of a sum of pairs of products, times 2^16.
@if(pairs)
fn high_half(sum: u32) -> f32 { return f32(i32((sum + 0x8000u) & 0xffff0000u)); }

@if(pairs)
fn pairs_of(v: vec4i) -> vec2u { return vec2u((v.xy << vec2u(16u)) + v.zw); }

fn code_of(v: vec4f) -> vec4i { return clamp(vec4i(round(v)), vec4i(-128), vec4i(127)); }

@if(gated || times)
fn activation(gate: f32) -> f32 {
  @if(relu2) { let positive = max(gate, 0.0); return positive * positive; }
  @if(!relu2) { return gate / (1.0 + exp(-gate)); }
}

// The b-th row block of a workgroup. The last workgroup may have too many: they repeat the last one, and are not written.
@if(gated)
fn block_index(group: u32, b: u32) -> u32 {
  return min(group * OUTS + b / 2u, shape.row_blocks / 2u - 1u) + (b & 1u) * (shape.row_blocks / 2u);
}
@if(!gated)
fn block_index(group: u32, b: u32) -> u32 {
  return shape.first_block + min(group * OUTS + b, shape.row_blocks - 1u);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = lane & 7u;
  let part = lane >> 3u;
  let chunks = shape.chunks;
  @unroll(b, BLOCKS) {
    let base$b = block_index(group.x, $bu) * (chunks * 8u) + row;
    var next$b = weights[base$b + min(part, chunks - 1u) * 8u];
    @if(pairs) var dots$b = 0.0;
    @if(!pairs) var dots$b = 0;
  }

  let index = (group.x * OUTS + part) * 8u + row;
  var factor = vec2f(0.0);
  @if(add || times) var before = 0.0;
  if (part < OUTS && index < shape.out) {
    @if(gated) {
      let gate = block_index(group.x, 2u * part) * 8u + row;
      factor = vec2f(scale[gate], scale[gate + shape.row_blocks * 4u]);
    }
    @if(!gated) factor.x = scale[block_index(group.x, part) * 8u + row];
    @if(add || times) before = y[shape.column + index];
  }
  var sum_max = vec2f(0.0);
  @unroll(p, PIECES) {
    let piece$p = lane + $pu * THREADS;
    @unroll(k, 4) {
      let i$p_$k = 4u * piece$p + $ku;
      let at$p_$k = min(i$p_$k, vectors - 1u);
      // Beyond the row zeros.
      let x$p_$k = select(vec4f(0.0), x[at$p_$k], i$p_$k < vectors);
      @if(plain) let v$p_$k = x$p_$k;
      @if(!plain) let v$p_$k = x$p_$k * weight[at$p_$k];
    }
    @unroll(k, 4) {
      sum_max = vec2f(sum_max.x + dot(x$p_$k, x$p_$k), max(sum_max.y, largest(v$p_$k)));
    }
  }
  sum_max = reduce_sum_max(sum_max, lane);
  @if(plain) let rms = 1.0;
  @if(!plain) let rms = sqrt(sum_max.x / f32(COLS) + EPSILON);
  // 1/s; of a row whose sum of squares is no finite number that, so that no result is: of the codes alone any number could come.
  let inverse = select(sum_max.x, max(sum_max.y / rms, least) / 127.0, is_finite(sum_max.x));
  let to_code = 1.0 / (inverse * rms);
  var own = vec4i(0);
  @unroll(p, PIECES) {
    @unroll(k, 4) { let code$p_$k = code_of(v$p_$k * to_code); }
    if (piece$p < pieces) {
      @if(!pairs) {
        q[piece$p] = vec4u(pack_bytes(code$p_0), pack_bytes(code$p_1), pack_bytes(code$p_2), pack_bytes(code$p_3));
      }
      @if(pairs) {
        q[2u * piece$p] = vec4u(pairs_of(code$p_0), pairs_of(code$p_1));
        q[2u * piece$p + 1u] = vec4u(pairs_of(code$p_2), pairs_of(code$p_3));
      }
    }
    own += (code$p_0 + code$p_1) + (code$p_2 + code$p_3);
  }
  let sum_of_own = (own.x + own.y) + (own.z + own.w);
  @if(one_subgroup || by_subgroups) {
    let sum_of_subgroup = subgroupAdd(sum_of_own);
    if (subgroupElect()) { atomicAdd(&sum_of_q, sum_of_subgroup); }
  }
  @if(!one_subgroup && !by_subgroups) { atomicAdd(&sum_of_q, sum_of_own); }
  workgroupBarrier();

  for (var chunk = part; chunk < chunks; chunk += SPLIT) {
    // Behind the last one that one again, which is near.
    let after = select(chunk, chunk + SPLIT, chunk + SPLIT < chunks);
    @unroll(b, BLOCKS) {
      let w$b = next$b;
      next$b = weights[base$b + after * 8u];
    }
    @if(!pairs) {
      @unroll(j, 4) {
        let q$j = q[chunk * 4u + $ju];
        @unroll(b, BLOCKS) {
          @unroll(k, 4) { dots$b += dot4((w$b[$j] >> (2u * $ku)) & 0x03030303u, q$j[$k]); }
        }
      }
    }
    @if(pairs) {
      @unroll(b, BLOCKS) { var near$b = 0u; }
      @unroll(p, 2) {
        @unroll(b, BLOCKS) { var far$p_$b = 0u; }
        @unroll(i, 2) {
          @unroll(h, 2) { let q$p_$i_$h = q[chunk * 8u + $(4*p+2*i+h)u]; }
          @unroll(b, BLOCKS) {
            let word$p_$i_$b_0 = w$b[$(2*p+i)];
            let word$p_$i_$b_1 = word$p_$i_$b_0 >> 4u;
            let word$p_$i_$b_2 = word$p_$i_$b_0 >> 8u;
            let word$p_$i_$b_3 = word$p_$i_$b_0 >> 12u;
            @unroll(h, 2) {
              near$b += (word$p_$i_$b_$(1*h) & 0x00030003u) * q$p_$i_$h.x
                + (word$p_$i_$b_$(1*h+2) & 0x00030003u) * q$p_$i_$h.y;
              far$p_$b += (word$p_$i_$b_$(1*h) & 0x000c000cu) * q$p_$i_$h.z
                + (word$p_$i_$b_$(1*h+2) & 0x000c000cu) * q$p_$i_$h.w;
            }
          }
        }
        @unroll(b, BLOCKS) { dots$b += 0.25 * high_half(far$p_$b); }
      }
      @unroll(b, BLOCKS) { dots$b += high_half(near$b); }
    }
  }

  @unroll(b, BLOCKS) { sums[$bu * THREADS + lane] = dots$b; }
  workgroupBarrier();
  if (part >= OUTS || index >= shape.out) { return; }
  let offset = f32(atomicLoad(&sum_of_q));
  @if(gated) let first = 2u * part * THREADS + row;
  @if(!gated) let first = part * THREADS + row;
  @if(pairs) var sum = 0.0;
  @if(!pairs) var sum = 0;
  for (var o = 0u; o < SPLIT; o += TOGETHER) {
    @unroll(a, TOGETHER) { sum += sums[first + (o + $au) * 8u]; }
  }
  let result = (f32(sum) * unit - offset) * (factor.x * inverse);
  @if(gated) {
    @if(pairs) var sum_up = 0.0;
    @if(!pairs) var sum_up = 0;
    for (var o = 0u; o < SPLIT; o += TOGETHER) {
      @unroll(a, TOGETHER) { sum_up += sums[first + THREADS + (o + $au) * 8u]; }
    }
    let up = (f32(sum_up) * unit - offset) * (factor.y * inverse);
    y[shape.column + index] = activation(result) * up;
  }
  @if(add) y[shape.column + index] = before + result;
  @if(times) y[shape.column + index] = before * activation(result);
  @if(!gated && !add && !times) y[shape.column + index] = result;
}
