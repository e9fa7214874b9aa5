// Package zseek writes and reads disk images in the seekable format of
// Zstandard: the medium in frames that are compressed each by itself, and a
// table of their sizes at the end. Every zstd restores such a file whole.
//
// The formats are "Zstandard Compression Format" (RFC 8878) and "Zstandard
// Seekable Format" 0.1.0 (contrib/seekable_format of zstd). All integers are
// little-endian. A file that Writer makes is, in order:
//
//   - a skippable frame 0x184D2A50 with what is known at the start (Meta);
//   - frames of FrameSize bytes of the medium, the last one shorter: single
//     segment, with content size and the low 32 bits of their XXH64;
//   - behind every 4096 of them, and behind the last, a skippable frame
//     0x184D2A51 that lists them: see indexFrame. It lets a writer go on, and a
//     reader find the frames, without the table and without keeping it;
//   - a skippable frame 0x184D2A52 with what is known at the end (End);
//   - the seek table, a skippable frame 0x184D2A5E.
//
// The table lists all frames before it, the skippable ones with a size of 0, as
// the specification says: the sums of the sizes give the places. The reader of
// zstd's own library and github.com/SaveTheRbtz/zstd-seekable-format-go pass
// over such entries. Entries have a checksum, which is the one at the frame's
// end, so that two frames that changed places are found.
//
// A reader cannot be led astray by a wrong table: a frame is taken only if its
// header, its end and its checksum are what the table says. Damage inside a
// frame costs that frame. What the table cannot show is a file that was made
// anew with other content: that is what digests and signatures are for.
package zseek
