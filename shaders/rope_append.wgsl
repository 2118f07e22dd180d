// Rotary position embedding of queries and keys, and the write of keys and values into the KV cache, as f16 or as int8.
//
//   state   State
//   qkv     f32 [count, (HEADS + 2·KV_HEADS)·HEAD_DIM]: queries (rotated in place), keys, values
//   angles  vec2f [positions, ROTARY/2]: (cos, sin) of pos · theta^(−2j/ROTARY), made in float64 by the CPU
//   keys    f16 [positions, KV_HEADS, CACHE_DIM], two a word; with `wide` f32 of the same values; with `int8` codes, four a
//           word. CACHE_DIM is HEAD_DIM rounded up to a multiple of 8; what is between stays 0
//   values  the same
//   scales  with `int8`: f32 [positions, KV_HEADS, 2]: what a code of the key stands for, and one of the value
//
//   q_norm  f32 [HEAD_DIM], with `head_norms`: queries and keys are first divided by the root of their head's mean square
//   k_norm  (plus EPSILON) and multiplied by these
//
// Pairs are (j, j + ROTARY/2) with `neox`, else (2j, 2j+1); dimensions from ROTARY on are left as they are.
// A thread handles dimensions 2i and 2i+1 and, with `neox`, their partners: whole words of the cache. With `int8` a word
// has four neighbours, which come to the thread that writes them by way of workgroup memory, and so does the largest.
// Workgroups: x covers heads · HEAD_DIM/4 (quads), y = tokens. With `whole_heads`, which `head_norms` and `int8` need,
// THREADS is HEAD_DIM/4: one head each.

import constants::{HEADS, KV_HEADS, HEAD_DIM, CACHE_DIM, ROTARY, THREADS, EPSILON};
import package::lib::state::State;
import package::lib::f16::{pack_f16, rounded_f16};
import package::lib::int8_cache::{code_scale, codes_of};
import package::lib::reduce::reduce_sum_max;

@if(one_subgroup || by_subgroups) enable subgroups;

@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(2) var<storage, read> angles: array<vec2f>;
@if(wide) @group(0) @binding(3) var<storage, read_write> keys: array<vec2f>;
@if(wide) @group(0) @binding(4) var<storage, read_write> values: array<vec2f>;
@if(!wide) @group(0) @binding(3) var<storage, read_write> keys: array<u32>;
@if(!wide) @group(0) @binding(4) var<storage, read_write> values: array<u32>;
@if(head_norms) @group(0) @binding(5) var<storage, read> q_norm: array<f32>;
@if(head_norms) @group(0) @binding(6) var<storage, read> k_norm: array<f32>;
@if(int8) @group(0) @binding(7) var<storage, read_write> scales: array<f32>;

// The head as it is to be stored, pair by pair.
@if(int8) var<workgroup> pairs: array<vec2f, 2u * THREADS>;

const quads = HEAD_DIM / 4u;
const row_length = (HEADS + 2u * KV_HEADS) * HEAD_DIM;

fn rotate(a: f32, b: f32, angle: vec2f) -> vec2f {
  return vec2f(a * angle.x - b * angle.y, b * angle.x + a * angle.y);
}

// The two words' first dimensions of quad `i` of a head: partners half the rotary width apart, or neighbours.
fn quad_dimensions(i: u32) -> vec2u {
  @if(neox) {
    if (i < ROTARY / 4u) { return vec2u(2u * i, 2u * i + ROTARY / 2u); }
  }
  return vec2u(4u * i, 4u * i + 2u);
}

@if(wide) fn stored(v: vec2f) -> vec2f { return rounded_f16(v); }
@if(halves) fn stored(v: vec2f) -> u32 { return pack_f16(v); }

// Once `pairs` are there.
@if(int8)
fn largest_of_head() -> f32 {
  var largest = 0.0;
  for (var i = 0u; i < 2u * quads; i++) {
    let pair = abs(pairs[i]);
    largest = max(largest, max(pair.x, pair.y));
  }
  return largest;
}

@if(head_norms)
fn norm_weights(head: u32, dim: u32) -> vec2f {
  if (head < HEADS) { return vec2f(q_norm[dim], q_norm[dim + 1u]); }
  return vec2f(k_norm[dim], k_norm[dim + 1u]);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let head = id.x / quads;
  @if(!whole_heads) {
    if (head >= HEADS + 2u * KV_HEADS) { return; }
  }
  let token = id.y;
  let position = state.position + token;
  let quad = id.x % quads;
  let dims = quad_dimensions(quad);
  let base = token * row_length + head * HEAD_DIM;
  var a = vec2f(qkv[base + dims.x], qkv[base + dims.x + 1u]);
  var b = vec2f(qkv[base + dims.y], qkv[base + dims.y + 1u]);

  @if(head_norms) {
    let squares = reduce_sum_max(vec2f(dot(a, a) + dot(b, b), 0.0), quad).x;
    if (head < HEADS + KV_HEADS) {
      let rms = sqrt(squares / f32(HEAD_DIM) + EPSILON);
      a = a / rms * norm_weights(head, dims.x);
      b = b / rms * norm_weights(head, dims.y);
    }
  }
  if (head < HEADS + KV_HEADS && 4u * quad < ROTARY) {
    let angle = position * (ROTARY / 2u);
    @if(neox) {
      let first = rotate(a.x, b.x, angles[angle + dims.x]);
      let second = rotate(a.y, b.y, angles[angle + dims.x + 1u]);
      a = vec2f(first.x, second.x);
      b = vec2f(first.y, second.y);
    }
    @if(!neox) {
      a = rotate(a.x, a.y, angles[angle + dims.x / 2u]);
      b = rotate(b.x, b.y, angles[angle + dims.y / 2u]);
    }
  }

  @if(int8) {
    pairs[dims.x / 2u] = a;
    pairs[dims.y / 2u] = b;
    workgroupBarrier();
  }
  if (head < HEADS) {
    qkv[base + dims.x] = a.x;
    qkv[base + dims.x + 1u] = a.y;
    qkv[base + dims.y] = b.x;
    qkv[base + dims.y + 1u] = b.y;
  } else {
    let is_value = head >= HEADS + KV_HEADS;
    let kv_head = head - HEADS - select(0u, u32(KV_HEADS), is_value);
    let slot = position * KV_HEADS + kv_head;
    @if(int8) {
      let scale = code_scale(largest_of_head());
      let codes = codes_of(vec4f(pairs[2u * quad], pairs[2u * quad + 1u]), scale);
      let word = slot * (CACHE_DIM / 4u) + quad;
      if (is_value) { values[word] = codes; } else { keys[word] = codes; }
      if (quad == 0u) { scales[2u * slot + u32(is_value)] = scale; }
    }
    @if(!int8) {
      let row = slot * (CACHE_DIM / 2u);
      if (is_value) {
        values[row + dims.x / 2u] = stored(a);
        values[row + dims.y / 2u] = stored(b);
      } else {
        keys[row + dims.x / 2u] = stored(a);
        keys[row + dims.y / 2u] = stored(b);
      }
    }
  }
}
