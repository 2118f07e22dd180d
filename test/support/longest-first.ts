// The order of test files: those that take longest begin first, so that two at a time end together.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take more than some ten seconds, the longest first; measured on two cores. A file that is not
 * here, or at the wrong place, costs a little time and nothing else.
 */
const SLOW = [
  'unit/storage/download',
  'unit/watchdog',
  'unit/model/real-files',
  'unit/storage/cache',
  'unit/tokenizer/real-vocabularies',
  'unit/tools/fuzz',
  'unit/inference/plan',
  'unit/storage/memory',
  'e2e/engine',
  'e2e/worker',
  'e2e/storage',
  'e2e/recovery',
  'gpu/variants',
  'gpu/shapes/many',
  'gpu/kernels/ternary-matmul',
  'gpu/kernels/norm-matmul',
  'gpu/kernels/sample',
  'gpu/again',
  'gpu/kv-cache-int8',
  'gpu/kernels/attention',
  'e2e/shared',
  'e2e/policies',
  'e2e/package',
  'e2e/plan',
  'gpu/recovery',
  'gpu/architectures',
  'gpu/memory',
  'gpu/kernels/rms-norm-quantize',
  'gpu/session/branching',
  'gpu/inspect',
  'gpu/formats',
  'e2e/responsive',
  'e2e/surfaces-sdk',
  'gpu/session/logprobs',
  'gpu/loading',
  'gpu/golden',
  'e2e/demo',
  'gpu/session/endings',
  'e2e/service-worker',
  'gpu/profile',
  'gpu/reload',
  'gpu/soak',
  'e2e/surfaces',
  'gpu/plan',
];

/** The name of a test file, as in the list. */
function nameOf({ moduleId }: TestSpecification): string {
  return moduleId.replaceAll('\\', '/').replace(/^.*\/test\/|(\.one-driver)?\.test\.ts$/g, '');
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
