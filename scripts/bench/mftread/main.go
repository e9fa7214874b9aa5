// Command mftread reads the $MFT of a volume by its runs, 1 MiB at once, and does
// nothing with it: what a walk of the volume is measured against. It takes the
// runs from the first record alone.
//
//	mftread VOLUME.img
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := read(os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, "mftread:", err)
		os.Exit(1)
	}
}

func read(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	le := binary.LittleEndian
	boot, rec := make([]byte, 512), make([]byte, 1024)
	if _, err := f.ReadAt(boot, 0); err != nil {
		return err
	}
	cluster := int64(le.Uint16(boot[11:])) * int64(boot[13])
	if _, err := f.ReadAt(rec, int64(le.Uint64(boot[48:]))*cluster); err != nil {
		return err
	}
	p := int(le.Uint16(rec[20:]))
	for le.Uint32(rec[p:]) != 0x80 {
		p += int(le.Uint32(rec[p+4:]))
	}
	buf := make([]byte, 1<<20)
	lcn, total := int64(0), int64(0)
	for p += int(le.Uint16(rec[p+32:])); rec[p] != 0; {
		sizes := [2]int{int(rec[p] & 15), int(rec[p] >> 4)}
		p++
		var v [2]int64
		for k, n := range sizes {
			for i := range n {
				v[k] |= int64(rec[p+i]) << (8 * i)
			}
			p += n
		}
		if n := sizes[1]; n > 0 && n < 8 && v[1]>>(8*n-1)&1 != 0 {
			v[1] -= 1 << (8 * n)
		}
		lcn += v[1]
		for off, end := lcn*cluster, (lcn+v[0])*cluster; off < end; {
			n, err := f.ReadAt(buf[:min(int64(len(buf)), end-off)], off)
			if err != nil {
				return err
			}
			off += int64(n)
			total += int64(n)
		}
	}
	if total == 0 {
		return errors.New("no runs")
	}
	fmt.Println(total, "bytes")
	return nil
}
