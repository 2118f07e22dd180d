// What others have measured: the reports that were in the repository when this page was built.

import type { Report } from '../bench/core/report';

/** Fetched when they are wanted, and not before. */
const files = import.meta.glob<Report>('../bench/results/*.json', { import: 'default' });

/** The reports of others; those that cannot be had are left out. */
export async function otherReports(): Promise<Report[]> {
  const loaded = await Promise.allSettled(Object.values(files).map((load) => load()));
  return loaded.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}
