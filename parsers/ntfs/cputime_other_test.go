//go:build !unix

package ntfs

import "time"

var begun = time.Now()

func cpuTime() time.Duration { return time.Since(begun) }
