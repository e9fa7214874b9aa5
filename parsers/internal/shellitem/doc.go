// Package shellitem reads item identifier lists: the paths of the Windows
// shell that shell links, jump lists and registry values (shellbags, recent
// documents) carry.
//
// The format is not documented by its maker; source: "Windows Shell Item
// format" of the libfwsi project, revision March 2024. Read: root folders,
// volumes, file entries (all versions, with the extension block 0xbeef0004:
// long name, times, file reference), network places, addresses, control panel,
// delegates that hold a file entry or a volume, known folders, portable
// devices by name, members of archives of Windows 10. Every other item keeps
// its class and its bytes; extension blocks keep their signature and place.
//
// Times of file entries are those of FAT: steps of two seconds, UTC as written
// by the shell from XP on. They are what the shell knew of the target when the
// list was made. They leave as FILETIME ticks, 0 where not set.
package shellitem
