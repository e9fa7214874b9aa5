// Package fat reads FAT12, FAT16, FAT32 and exFAT volumes: every entry of every
// directory, live and deleted, and the clusters of their contents.
//
// Neither file system keeps the clusters of a deleted file for sure. FAT clears
// its chain: only the first cluster is known, and that the others follow it is an
// assumption that Entry.Assumed tells. exFAT keeps whether a file was contiguous.
// What directories say after their end mark, and directories that no entry leads
// to any more, are given and marked.
//
// Times of FAT are those of the clock on the wall, without a zone: created in
// 10 ms, modified in 2 s, accessed by the day. exFAT adds the distance from UTC
// to each, where the writer knew it.
//
// Sources: Microsoft "FAT: General Overview of On-Disk Format" 1.03, Microsoft
// "exFAT file system specification" 1.00.
package fat
