// Command gontfs lists an NTFS volume as go-ntfs v0.2.1 reads it, for
// scripts/peers/ntfs. A module of its own, so that what go-ntfs needs stays out
// of ours; a process of its own, since forged volumes send it into endless loops
// and out of memory.
//
//	gontfs [-walk] VOLUME.img
//
// One line for each name and stream that is in use: record, path, stream, size as
// listed, SHA-256 as OpenStream reads it ("-" where it gives an error), created,
// modified, accessed as FILETIME. Paths and streams are UTF-16 units, all but
// printable ASCII as \uXXXX. Depth of directories and number of links, 20 by
// default, are set to 5000. With -walk no content is read, entries that are not in
// use are listed too, and all eight times: what scripts/bench/walk measures.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf16"

	"www.velocidex.com/golang/go-ntfs/parser"
)

func main() {
	walk := flag.Bool("walk", false, "no content, all times")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: gontfs [-walk] VOLUME.img")
		os.Exit(2)
	}
	if err := list(flag.Arg(0), *walk); err != nil {
		fmt.Fprintln(os.Stderr, "gontfs:", err)
		os.Exit(1)
	}
}

func list(name string, walk bool) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	volume, err := parser.GetNTFSContext(f, 0)
	if err != nil {
		return err
	}
	mft, err := volume.GetMFT(0)
	if err != nil {
		return err
	}
	table, err := parser.OpenStream(volume, mft, parser.ATTR_TYPE_DATA, parser.WILDCARD_STREAM_ID, parser.WILDCARD_STREAM_NAME)
	if err != nil {
		return err
	}
	opt := parser.GetDefaultOptions()
	opt.MaxLinks, opt.MaxDirectoryDepth = 5000, 5000
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	for h := range parser.ParseMFTFileWithOptions(context.Background(), table, parser.RangeSize(table), volume.ClusterSize, volume.RecordSize, 0, opt) {
		if walk {
			for _, path := range h.Links() {
				fmt.Fprintf(w, "%d,%q,%d,%v,%d,%d,%d,%d,%d,%d,%d,%d\n", h.EntryNumber, path, h.FileSize, h.InUse, h.Created0x10.UnixNano(), h.LastModified0x10.UnixNano(),
					h.LastRecordChange0x10.UnixNano(), h.LastAccess0x10.UnixNano(), h.Created0x30.UnixNano(), h.LastModified0x30.UnixNano(), h.LastRecordChange0x30.UnixNano(), h.LastAccess0x30.UnixNano())
			}
			continue
		}
		if !h.InUse {
			continue
		}
		_, stream, _ := strings.Cut(h.Inode, ":")
		sum := digest(volume, h.EntryNumber, stream)
		for _, path := range h.Links() {
			fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%d\t%d\t%d\n", h.EntryNumber, escape(strings.ReplaceAll(path, `\`, "/")), escape(stream), h.FileSize, sum,
				ticks(h.Created0x10), ticks(h.LastModified0x10), ticks(h.LastAccess0x10))
		}
	}
	return nil
}

// digest reads a stream to its end. Holes of a terabyte are not read.
func digest(volume *parser.NTFSContext, record int64, stream string) string {
	entry, err := volume.GetMFT(record)
	if err != nil {
		return "-"
	}
	r, err := parser.OpenStream(volume, entry, parser.ATTR_TYPE_DATA, parser.WILDCARD_STREAM_ID, stream)
	if err != nil {
		return "-"
	}
	const most = 4 << 30
	size := parser.RangeSize(r)
	if size > most {
		return "-"
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, size)); err != nil {
		return "-"
	}
	return hex.EncodeToString(h.Sum(nil))
}

func escape(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		if u >= 0x20 && u < 0x7F && u != '\\' {
			b.WriteByte(byte(u))
		} else {
			fmt.Fprintf(&b, "\\u%04X", u)
		}
	}
	return b.String()
}

// ticks is the FILETIME of a time.
func ticks(t time.Time) uint64 {
	const unix = 116444736000000000
	return uint64(t.Unix()*1e7 + int64(t.Nanosecond())/100 + unix)
}
