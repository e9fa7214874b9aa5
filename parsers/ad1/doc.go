// Package ad1 reads AccessData's logical images (AD1, "custom content images"
// of FTK Imager and AD Lab): a tree of files with their metadata and content,
// in one segment (.ad1) or many (.ad2 …). It holds no disk.
//
// There is no specification. The layout is that of "AD1 specification" of the
// pyad1 project, of the reader of dissect.evidence and of AD1-tools, as far as
// they agree and the images of FTK Imager at hand prove it (version 4). Version
// 3 differs in one place of the header; no image of it was at hand. Integers
// are little-endian.
//
// Each segment begins with a header of 512 bytes. What is behind the headers,
// put together, is one space of addresses:
//
//	0  header: "ADLOGICALIMAGE", version, size of a chunk, first item, name
//	   items: next, first child, metadata, chunk table, size, type, name, parent
//	   chunk tables: number of chunks, their addresses, the end of the last
//	   chunks: zlib streams (RFC 1950)
//	   metadata: a list of category, key and text
//	   ATTRGUID, LOCSGUID: tables at the end (version 4)
//
// Items link to each other, and stand one behind the other with what belongs
// to them. Where a link is damaged, or items end before the place of the next
// one, the second way is gone too, so that one bad byte does not hide what
// follows.
//
// Metadata is given as it stands. Of the times in category 5, key 7 is the last
// access to all sources, but they disagree on which of 8 and 9 is the creation
// and which the modification, and the images at hand do not settle it. No zone
// is stated.
//
// Not read: encrypted images ("ADCRYPT").
package ad1

import "errors"

// Limits on what hostile input can ask for.
const (
	MaxSegments = 1 << 16
	MaxItems    = 1 << 22
	MaxDepth    = 256     // folders in each other
	MaxChunk    = 1 << 20 // bytes of a chunk, inflated; FTK Imager: 65,536
	MaxName     = 1 << 16 // bytes of a name
	MaxValue    = 1 << 20 // bytes of a metadata value
	maxMeta     = 1 << 12 // metadata of one item
)

// ErrUnsupported is in the error for an image that is known but not read.
var ErrUnsupported = errors.New("is not read yet")
