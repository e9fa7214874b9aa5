// Package crashdump reads the heads of files in which Windows keeps memory:
// kernel dumps (MEMORY.DMP, Minidump/*.dmp, LiveKernelReports), minidumps of
// processes (WER, CrashDumps) and hibernation files.
//
// Kernel dumps: the header of one page (32 bit, "PAGEDUMP") or two (64 bit,
// "PAGEDU64") as the Windows debugger's symbols name it (DUMP_HEADER,
// DUMP_HEADER64); fields that the system did not fill hold the text "PAGE".
// Minidumps: MINIDUMP_HEADER and its directory of streams, Windows SDK,
// minidumpapiset.h. Hibernation files: signature and, from Windows 8 on, the
// time, whose place follows from the header's own length (Sylve, Marziale,
// Richard, "Modern Windows hibernation file analysis", 2016).
//
// Not read: memory itself, the streams of a minidump, the time in hibernation
// files up to Windows 7.
package crashdump
