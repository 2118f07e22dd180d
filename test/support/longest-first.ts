// The order of test files: those that take longest begin first, so that two at a time end together.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take more than some five seconds, the longest first; measured on two cores with nothing in Mesa's cache. A file that is
 * not here, or at the wrong place, costs a little time and nothing else.
 */
const SLOW = [
  'unit/watchdog',
  'unit/model/real-files',
  'unit/storage/download',
  'unit/storage/cache',
  'unit/gpu/shader-templates',
  'unit/tools/fuzz',
  'unit/tokenizer/real-vocabularies',
  'unit/inference/plan',
  'unit/storage/memory',
  'unit/tabs/sharing',
  'e2e/engine',
  'gpu/variants',
  'gpu/shapes/many',
  'e2e/worker',
  'e2e/storage',
  'gpu/kernels/attention',
  'gpu/kv-cache-int8',
  'gpu/again',
  'gpu/kernels/ternary-matmul',
  'e2e/recovery',
  'gpu/kernels/sample',
  'gpu/kernels/sample-masked',
  'e2e/tarball',
  'e2e/bench-page',
  'e2e/policies',
  'gpu/architectures',
  'gpu/recovery',
  'e2e/shared',
  'e2e/package',
  'gpu/guided',
  'gpu/kernels/norm-matmul',
  'e2e/shapes',
  'e2e/plan',
  'gpu/kernels/rms-norm-quantize',
  'gpu/memory',
  'gpu/session/branching',
  'gpu/shader',
  'gpu/formats',
  'gpu/shapes/greedy',
  'e2e/grammar',
  'e2e/responsive',
  'gpu/session/logprobs',
  'e2e/surfaces-sdk',
  'e2e/demo',
  'gpu/golden',
  'gpu/session/endings',
  'gpu/inspect',
  'gpu/suspension',
  'gpu/soak',
  'gpu/loading',
  'gpu/guided-recovery',
  'gpu/profile',
  'gpu/session/answers',
];

/** The name of a test file, as in the list. */
function nameOf({ moduleId }: TestSpecification): string {
  return moduleId.replaceAll('\\', '/').replace(/^.*\/test\/|(\.one-driver|\.swiftshader)?\.test\.ts$/g, '');
}

/** Vitest's own order (by what the last run took here, or by size) for what is not in the list. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files);
    const place = (file: TestSpecification): number => {
      const at = SLOW.indexOf(nameOf(file));
      return at < 0 ? SLOW.length : at;
    };
    return others.sort((a, b) => place(a) - place(b));
  }
}
