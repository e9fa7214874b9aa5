package acquire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Identity is what tells one medium from another.
type Identity struct {
	Size     int64  `json:"size"`
	Sector   int    `json:"sector_size"`
	Model    string `json:"model,omitempty"`
	Serial   string `json:"serial,omitempty"`
	FirstMiB string `json:"first_mib_sha256"`
	LastMiB  string `json:"last_mib_sha256"`
}

// Plan is all that decides the bytes of an image beside the medium. It is made
// once; a resumed run takes it from the checkpoint.
type Plan struct {
	Format      string    `json:"format"`
	Level       string    `json:"compression"`
	SegmentSize int64     `json:"segment_size"`
	Hashes      []string  `json:"hashes"`
	Blocks      bool      `json:"blocks"` // with the list of digests per MiB
	Unit        int       `json:"unit"`   // bytes of the medium in a chunk or frame
	Size        int64     `json:"size"`   // of the medium, padded to whole sectors
	TrueSize    int64     `json:"true_size"`
	Sector      int       `json:"sector_size"`
	Physical    bool      `json:"physical"`
	Removable   bool      `json:"removable"`
	Header      Header    `json:"header"`
	Model       string    `json:"model"`
	Serial      string    `json:"serial"`
	Acquired    time.Time `json:"acquired"`
	GUID        string    `json:"guid"` // 32 hex digits
	Tool        string    `json:"tool"`
	Encoder     string    `json:"encoder"` // the compressing library and its version: another one makes other bytes
}

// Header is what the examiner says of the image.
type Header struct {
	Case        string `json:"case,omitempty"`
	Exhibit     string `json:"exhibit,omitempty"`
	Examiner    string `json:"examiner,omitempty"`
	Description string `json:"description,omitempty"`
	Notes       string `json:"notes,omitempty"`
}

// Checkpoint is where a run can go on. It lies beside the image as
// IMAGE.partial.json as long as the image is not complete.
type Checkpoint struct {
	Schema  int               `json:"schema"`
	Base    string            `json:"base"`
	Plan    Plan              `json:"plan"`
	Source  Identity          `json:"source"`
	Places  []Place           `json:"places"`
	Started time.Time         `json:"started"`
	Resumed []time.Time       `json:"resumed,omitempty"`
	Next    int64             `json:"next"`           // offset of the medium to go on from
	LastMiB string            `json:"batch_sha256"`   // of the batch before it
	Hashes  map[string][]byte `json:"states"`         // of the digests
	Segment int               `json:"segment"`        // that is written
	End     int64             `json:"segment_offset"` // bytes of it that count
	Tail    Tail              `json:"tail"`
	Writer  json.RawMessage   `json:"writer"`
	Bad     []Bad             `json:"bad,omitempty"`
	Speed   Speed             `json:"speed"`
}

const schema = 1

// PartialName is the checkpoint's file.
func PartialName(image string) string { return image + ".partial.json" }

// ErrNoCheckpoint says that there is nothing to go on from.
var ErrNoCheckpoint = errors.New("there is no checkpoint to go on from")

// ReadCheckpoint reads the checkpoint of an image.
func ReadCheckpoint(image string) (*Checkpoint, error) {
	b, err := os.ReadFile(PartialName(image))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w (no %s)", image, ErrNoCheckpoint, PartialName(image))
	}
	if err != nil {
		return nil, err
	}
	var c Checkpoint
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", PartialName(image), err)
	}
	if c.Schema != schema || len(c.Places) == 0 {
		return nil, fmt.Errorf("%s: schema %d is not known", PartialName(image), c.Schema)
	}
	return &c, nil
}

func (c *Checkpoint) write(image string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return WriteFile(PartialName(image), b)
}
