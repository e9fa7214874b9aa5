// Package lnk reads shell links (shortcuts).
//
// Source: [MS-SHLLINK] revision 8.0, and "Windows Shortcut File format" of the
// liblnk project for what old and broken files do. Read: header, target item
// list (every item of parsers/internal/shellitem), link info with volume,
// network share and both kinds of paths, strings, and the extra data: tracker,
// environment, icon, installer (Darwin), special and known folder, property
// store, console code page, shim layer, second item list. Console settings and
// unknown blocks keep their bytes.
//
// Text of the code page of the machine is decoded as Options say; its raw
// bytes stand beside it. All times of the header are those of the target when
// the link was last written, not of the link.
//
// A link that is cut or damaged gives what can be read, and an error for each
// part in Damage.
package lnk
