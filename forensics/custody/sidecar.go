package custody

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Sidecar is the custody record of an image: who made it, when, of what, with
// which program, and what came of it. It lies beside the image as IMAGE.json,
// IMAGE being the first segment's name. Times are UTC; what is not known is
// absent.
type Sidecar struct {
	Schema       int            `json:"schema"`
	State        string         `json:"state"` // "complete"
	Tool         SidecarTool    `json:"tool"`
	Arguments    []string       `json:"arguments"`
	Actor        SidecarActor   `json:"actor"`
	Case         string         `json:"case,omitempty"`
	Exhibit      string         `json:"exhibit,omitempty"`
	Description  string         `json:"description,omitempty"`
	Notes        string         `json:"notes,omitempty"`
	Source       SidecarSource  `json:"source"`
	Image        SidecarImage   `json:"image"`
	Digests      []MediaDigest  `json:"digests"`
	Blocks       *BlockDigests  `json:"block_digests,omitempty"`
	Times        SidecarTimes   `json:"times"`
	Errors       []ReadError    `json:"errors"`
	Forced       []string       `json:"forced,omitempty"` // refusals that were overruled
	CarriedOver  *Origin        `json:"carried_over,omitempty"`
	Picture      any            `json:"picture,omitempty"`
	Speed        *Speed         `json:"read_speed,omitempty"`
	Verification SidecarChecked `json:"verification"`
	Host         SidecarHost    `json:"host"`
}

// SidecarTool is the program that made the image.
type SidecarTool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	SHA256  string `json:"sha256"` // of its own file
	Encoder string `json:"encoder,omitempty"`
}

// SidecarActor is who made it.
type SidecarActor struct {
	Examiner     string `json:"examiner,omitempty"`
	Organisation string `json:"organisation,omitempty"`
	Role         string `json:"role,omitempty"`
}

// SidecarSource is what it was made of.
type SidecarSource struct {
	Path           string   `json:"path"`
	Kind           string   `json:"kind"` // "disk", "partition", "volume", "file", "image"
	Size           int64    `json:"size"`
	SectorSize     int      `json:"sector_size"`
	Physical       int      `json:"physical_sector_size,omitempty"`
	Vendor         string   `json:"vendor,omitempty"`
	Model          string   `json:"model,omitempty"`
	Serial         string   `json:"serial,omitempty"`
	Firmware       string   `json:"firmware,omitempty"`
	WWN            string   `json:"wwn,omitempty"`
	Bus            string   `json:"bus,omitempty"`
	Parent         string   `json:"parent,omitempty"`
	ReadOnly       *bool    `json:"read_only,omitempty"`
	DirectIO       bool     `json:"direct_io"`
	Buffered       string   `json:"buffered,omitempty"` // why it was not read directly
	Hidden         string   `json:"hidden,omitempty"`   // host protected area, device configuration overlay
	VisibleSectors int64    `json:"visible_sectors,omitempty"`
	NativeSectors  int64    `json:"native_sectors,omitempty"`
	FactorySectors int64    `json:"factory_sectors,omitempty"`
	Partitions     []string `json:"partition_table,omitempty"`
	WriteBlock     string   `json:"write_block"` // the statement
	Notes          []string `json:"notes,omitempty"`
}

// SidecarImage is what was made.
type SidecarImage struct {
	Format      string    `json:"format"`
	Variant     string    `json:"variant,omitempty"`
	Compression string    `json:"compression,omitempty"`
	ChunkSize   int       `json:"chunk_size,omitempty"` // bytes of the medium in a chunk or frame
	SegmentSize int64     `json:"segment_size,omitempty"`
	Size        int64     `json:"size"`      // of the medium in it
	TrueSize    int64     `json:"true_size"` // of the source, before zeros filled its last sector
	GUID        string    `json:"guid,omitempty"`
	Segments    []Segment `json:"segments"`
}

// Segment is a file of the image.
type Segment struct {
	Name   string `json:"name"`
	Dir    string `json:"dir,omitempty"` // where it lay, if not beside the first
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"` // absent where the image was not read back
}

// MediaDigest is one of the whole medium.
type MediaDigest struct {
	Alg   string `json:"alg"`
	Sum   string `json:"sum"`
	Scope string `json:"scope"` // "media"
}

// BlockDigests is the list of digests per MiB beside the image: 32 bytes of
// SHA-256 each, the last one of what is left. Root is the SHA-256 of the list.
type BlockDigests struct {
	File      string `json:"file"`
	BlockSize int64  `json:"block_size"`
	Count     int64  `json:"count"`
	Root      string `json:"root"`
}

// SidecarTimes are when it was made.
type SidecarTimes struct {
	Started     time.Time   `json:"started"`
	Ended       time.Time   `json:"ended"`
	Resumed     []time.Time `json:"resumed,omitempty"`
	ClockSource string      `json:"clock_source"`
	Zone        string      `json:"zone"`
}

// ReadError is a run of sectors that could not be given; they are zeros in the
// image, or what a converted image holds there.
type ReadError struct {
	First int64  `json:"first_sector"`
	Count int64  `json:"count"`
	Errno string `json:"errno"` // the system's words
	Tries int    `json:"tries"`
	MS    int64  `json:"ms"`
}

// Origin is what a converted image said of itself.
type Origin struct {
	Format   string         `json:"format"`
	Variant  string         `json:"variant,omitempty"`
	Segments []string       `json:"segments"`
	GUID     string         `json:"guid,omitempty"`
	Fields   []Detail       `json:"fields,omitempty"`
	Digests  []OriginDigest `json:"digests,omitempty"`
	Problems []string       `json:"problems,omitempty"`
}

// OriginDigest is one that it stated, and whether the medium still has it.
type OriginDigest struct {
	Alg     string `json:"alg"`
	Sum     string `json:"sum"`
	Source  string `json:"source"`
	Verdict string `json:"verdict"` // "pass", "fail", "not-checkable"
}

// Speed is the curve of the reading speed: equal parts of the medium.
type Speed struct {
	Step int64   `json:"step"` // bytes of a part
	MS   []int64 `json:"ms"`
}

// SidecarChecked is what reading the image back showed.
type SidecarChecked struct {
	Done    bool      `json:"done"`
	Verdict string    `json:"verdict,omitempty"` // "pass", "fail"
	Faults  []string  `json:"faults,omitempty"`
	Ended   time.Time `json:"ended,omitzero"`
}

// SidecarHost is the machine that it was made on.
type SidecarHost struct {
	OS   string `json:"os"`
	Name string `json:"name,omitempty"`
}

// SidecarName is the record's file.
func SidecarName(image string) string { return image + ".json" }

// ReadSidecar reads the record of an image.
func ReadSidecar(image string) (*Sidecar, error) {
	b, err := os.ReadFile(SidecarName(image))
	if err != nil {
		return nil, err
	}
	var s Sidecar
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", SidecarName(image), err)
	}
	if s.Schema != 1 {
		return nil, fmt.Errorf("%s: no custody record of an image, or of a schema that is not known (%d)", SidecarName(image), s.Schema)
	}
	return &s, nil
}

// Bytes is the record as it is written.
func (s *Sidecar) Bytes() ([]byte, error) {
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}
