// Sums and maxima over a workgroup of THREADS threads, with one barrier each.
// With subgroups the lanes meet in registers first, and where a workgroup is one subgroup there is no barrier at all.

import constants::THREADS;

// One slot a subgroup, or one a thread. .x collects sums, .y maxima.
@if(!one_subgroup) var<workgroup> partial: array<vec2f, THREADS>;

// (Σ v.x, max v.y) over all threads. Call it in uniform control flow, at most once in a row without a barrier between.
@if(one_subgroup)
fn reduce_sum_max(v: vec2f, lane: u32) -> vec2f {
  return vec2f(subgroupAdd(v.x), subgroupMax(v.y));
}

@if(!one_subgroup)
fn reduce_sum_max(v: vec2f, lane: u32) -> vec2f {
  partial[lane] = v;
  workgroupBarrier();
  var total = partial[0];
  for (var i = 1u; i < THREADS; i++) {
    let other = partial[i];
    total = vec2f(total.x + other.x, max(total.y, other.y));
  }
  return total;
}
