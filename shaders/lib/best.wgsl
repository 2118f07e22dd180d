// The best of what the threads of a workgroup have found.

import constants::THREADS;
import package::lib::sampler::{Best, better};

var<workgroup> best_of_thread: array<Best, THREADS>;
@if(many) var<workgroup> best_of_sixteenth: array<Best, 16>;

// The best of all threads' `mine`, for every thread. With `many`, up to 256, sixteen threads look through all, and all
// through what these found. Call it in uniform control flow, with a barrier between two calls.
fn best_of_group(mine: Best, lane: u32) -> Best {
  best_of_thread[lane] = mine;
  workgroupBarrier();
  @if(many) {
    if (lane < 16u) {
      var column = best_of_thread[lane];
      @unroll(i, 16) {
        if ($iu * 16u < THREADS) { column = better(column, best_of_thread[lane + $iu * 16u]); }
      }
      best_of_sixteenth[lane] = column;
    }
    workgroupBarrier();
  }
  @if(many) var result = best_of_sixteenth[0];
  @if(many) { @unroll(i, 16) { result = better(result, best_of_sixteenth[$i]); } }
  @if(!many) var result = best_of_thread[0];
  @if(!many) { for (var i = 1u; i < THREADS; i++) { result = better(result, best_of_thread[i]); } }
  return result;
}
