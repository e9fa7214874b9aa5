// Package regf reads the hives of the Windows registry and their transaction
// logs.
//
// It decodes the base block (versions 1.0 to 1.6), hive bins, cells, keys (nk)
// with their subkey lists (li, lf, lh, ri), class names and security
// descriptors, values (vk) with resident, plain and big data (db), and the
// logs of both formats: the old one with a dirty vector (DIRT) and the new one
// with log entries (HvLE, Windows 8.1 and later). Keys and values that were
// deleted are looked for in free cells, in allocated cells that nothing points
// to, and in the slack of value lists; they are a sequence of their own.
//
// Sources: M. Suhanov, "Windows registry file format specification" (sections
// are named where they are used); libregf, "Windows NT Registry File (REGF)
// format"; for the cells of version 1.1, the Windows Research Kernel's
// USE_OLD_CELL.
//
// Not decoded: Windows 9x hives (CREG: refused by name), transactional
// registry (CLFS), volatile keys (they exist in memory only), layered keys
// beyond their raw flags.
//
// Hives are read from one slice without copying it; only Replay copies, so
// that the hive as it lies and the hive after its logs stand side by side.
// All times are raw FILETIMEs.
package regf
