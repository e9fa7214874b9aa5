// Package pe reads Windows programs: what a portable executable says of
// itself, from the bytes of its file.
//
// Read by this package, from "PE Format" (Microsoft, revision of 2024) and, for
// the oddities that Windows' loader accepts, the corkami collection: DOS, NT
// and optional header, sections, imports, delay-loaded imports, exports with
// their forwarders, TLS callbacks, debug directory with PDB paths, Rich header,
// version strings, overlay, attribute certificate table, checksum and the
// image hash of "Windows Authenticode Portable Executable Signature Format"
// (2008). Read through github.com/saferwall/pe v1.6.5: the tree of resources
// and the .NET metadata; its counts of sections, imports and exports are kept
// as a second opinion.
//
// Not read: relocations, exception tables, load configuration, COFF symbols,
// 16-bit and TE images, objects and libraries. PKCS #7 is the business of
// package authenticode.
//
// What does not fit is an error in Damage; the rest is still given. Addresses
// are RVAs unless a field says offset; offsets count from the start of the
// file. Time stamps are raw.
//
// The library reads hostile bytes: a caller runs Parse where a crash, a loop
// or a blow-up costs only this file. Known of v1.6.5: methods panic after an
// error of its Parse (none is called), CodeView entries shorter than 25 bytes
// allocate gigabytes (its debug directory is switched off), GetAnomalies looks
// at the clock (never called), its signature checks use the examiner's own
// trust store (switched off).
package pe
