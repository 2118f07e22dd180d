// Types of packed.mjs, which is plain JavaScript so that Node runs it as it is.

/** The folder of package.json. */
export const ROOT: string;

/**
 * A folder with a package.json and Ternion in its node_modules, which whoever asked for it removes: its path, and that of the
 * tarball beside it. `packages` of the repository are there too, by their names. `dist` must have been built.
 */
export function installPacked(packages?: readonly string[]): { folder: string; tarball: string };
