// Package secondreader runs a second NTFS reader, which others wrote, beside
// our own and lists every value on which the two do not agree, with the cause.
//
// The second reader is go-ntfs v0.2.1 (www.velocidex.com/golang/go-ntfs), read
// in its source: ParseMFTFileWithOptions, with its limits of directory depth and
// of links raised from 20 to 5000. It finds the $MFT from the boot sector by
// itself. It runs in a child process of our own binary, which opens no file: it
// asks for pages of the volume, and the parent counts them. Forged structures
// that make it loop, panic or fill the memory end the child; that is a result
// (End), and what was compared until then stands.
//
// Compared are, for every entry, live or deleted: that it is there, whether it
// is in use, the sequence number of its record, the directory flag, all paths,
// the four times of $STANDARD_INFORMATION and of the first $FILE_NAME, the size
// of the unnamed stream, the names and sizes of the named ones, and with
// Options.Hash the content of each stream of an entry in use. Not compared are
// directory indexes, the change journal and attributes other than $DATA.
//
// Where the readers differ, the cause is one of a closed list of ways in which
// the second reader is known to go wrong. A cause is never taken from the
// difference alone: what ours says, put through the fault as it stands in the
// source of the second reader, must give exactly what that reader says, and the
// bytes of the record must have the shape that leads to the fault. What fits
// none has the cause Unexplained: there one of the two readers is wrong in a way
// that is not known.
package secondreader
