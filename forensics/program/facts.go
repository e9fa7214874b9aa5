package program

import (
	"kanshiki/forensics/problem"
)

// Facts is what is known of one file: the row of ks-pe. Texts are as they
// stand in the file, made safe to look at.
type Facts struct {
	File            string     `json:"file"`
	Size            int64      `json:"size"`
	SHA256          string     `json:"sha256,omitempty"` // absent where the content could not be read whole
	SHA1            string     `json:"sha1,omitempty"`
	MD5             string     `json:"md5,omitempty"`
	IsProgram       bool       `json:"is_program"`
	NotProgram      string     `json:"not_program,omitempty"` // why it is none
	Kind            string     `json:"kind,omitempty"`        // "program", "library", "driver"
	Machine         string     `json:"machine,omitempty"`     // "0x8664"
	Subsystem       int        `json:"subsystem"`
	Timestamp       uint32     `json:"timestamp"` // seconds since 1970 as the header has them, or a hash
	EntryPoint      string     `json:"entry_point,omitempty"`
	ImageBase       string     `json:"image_base,omitempty"`
	Checksum        *Checksum  `json:"checksum,omitempty"`
	Sections        []Section  `json:"sections"`
	Imports         int        `json:"imports"` // count of names
	ImportLibraries []string   `json:"import_libraries"`
	DelayLibraries  []string   `json:"delay_libraries,omitempty"`
	Imphash         string     `json:"imphash"`
	Exports         int        `json:"exports"`
	ExportForwards  int        `json:"export_forwarders"`
	ExportName      string     `json:"export_name,omitempty"`
	TLSCallbacks    int        `json:"tls_callbacks"`
	RichHash        string     `json:"rich_hash,omitempty"`
	PDB             string     `json:"pdb,omitempty"`
	DotNet          *DotNet    `json:"dotnet,omitempty"`
	Resources       []Resource `json:"resources,omitempty"`
	Languages       []string   `json:"languages,omitempty"`
	IconHash        string     `json:"icon_hash,omitempty"` // SHA-256 of the largest icon's bytes
	Version         []Text     `json:"version,omitempty"`
	OverlayOffset   *int64     `json:"overlay_offset"`
	OverlaySize     int64      `json:"overlay_size"`
	CertOffset      int64      `json:"certificate_offset,omitempty"`
	CertSize        int64      `json:"certificate_size,omitempty"`
	ImageSHA1       string     `json:"image_sha1,omitempty"` // Authenticode image hash
	ImageSHA256     string     `json:"image_sha256,omitempty"`
	Signature       *Signature `json:"signature"`
	State           State      `json:"signature_state"`
	StateBy         string     `json:"signature_by,omitempty"` // "embedded", "catalogue"
	Catalogue       string     `json:"catalogue,omitempty"`    // path of the catalogue that names the file
	CatalogueSigner []string   `json:"catalogue_signers,omitempty"`
	Known           *Known     `json:"known,omitempty"`
	Strings         []String   `json:"strings,omitempty"`
	Facts           []Fact     `json:"facts"`
	Problems        []Problem  `json:"problems"`
}

// Checksum is the header's own, which Windows demands of drivers only.
type Checksum struct {
	Stored     string `json:"stored"`
	Calculated string `json:"calculated,omitempty"`
}

// Section is one entry of the section table.
type Section struct {
	Name            string  `json:"name"`
	VirtualAddress  uint32  `json:"virtual_address"`
	VirtualSize     uint32  `json:"virtual_size"`
	RawOffset       uint32  `json:"raw_offset"`
	RawSize         uint32  `json:"raw_size"`
	Entropy         float64 `json:"entropy"`
	Characteristics string  `json:"characteristics"`
}

// DotNet is what makes a program a .NET assembly.
type DotNet struct {
	Runtime  string `json:"runtime,omitempty"`
	Module   string `json:"module,omitempty"`
	MVID     string `json:"mvid,omitempty"`
	Assembly string `json:"assembly,omitempty"`
}

// Resource counts the resources of one type and language.
type Resource struct {
	Type     string `json:"type"`
	Language string `json:"language"`
	Count    int    `json:"count"`
	Bytes    int64  `json:"bytes"`
}

// Text is one string of the version resource.
type Text struct {
	Key      string `json:"key"`
	Value    string `json:"value"`
	Language string `json:"language"`
}

// Signature is what the certificate table holds. The digest fields are those
// of the first signature; all of them stand in Signatures.
type Signature struct {
	Present          bool       `json:"present"` // a signature could be read
	DigestAlg        string     `json:"digest_alg,omitempty"`
	DigestStored     string     `json:"digest_stored,omitempty"`
	DigestCalculated string     `json:"digest_calculated,omitempty"`
	DigestMatch      *bool      `json:"digest_match"` // null where it cannot be told
	Signers          []Signer   `json:"signers"`
	Signatures       []OneOfAll `json:"signatures,omitempty"`
}

// OneOfAll is one of several signatures, side by side or nested.
type OneOfAll struct {
	Nested           bool   `json:"nested"`
	DigestAlg        string `json:"digest_alg"`
	DigestStored     string `json:"digest_stored"`
	DigestCalculated string `json:"digest_calculated,omitempty"`
	DigestMatch      *bool  `json:"digest_match"`
	PageHash         string `json:"page_hash,omitempty"`
}

// Signer is one signer with what its certificate says. Times of signing by
// the signer's own clock and by countersigners are apart.
type Signer struct {
	Name            string             `json:"name"` // common name
	Subject         string             `json:"subject"`
	Issuer          string             `json:"issuer"`
	Serial          string             `json:"serial"`
	NotBefore       string             `json:"not_before,omitempty"`
	NotAfter        string             `json:"not_after,omitempty"`
	DigestAlg       string             `json:"digest_alg"`
	SigningTime     string             `json:"signing_time,omitempty"`
	Countersigned   []Countersignature `json:"countersigned,omitempty"`
	Program         string             `json:"program,omitempty"`
	URL             string             `json:"url,omitempty"`
	SignatureIntact string             `json:"signature_intact"` // "intact", "broken", "not checkable"
	Nested          bool               `json:"nested"`
}

// Countersignature is another's word for the time of signing.
type Countersignature struct {
	Time   string `json:"time"`
	Signer string `json:"signer"`
	Serial string `json:"serial"`
	Kind   string `json:"kind"`
}

// State tells what the file and the catalogues of its own machine say of its
// signature. Chains and roots are never part of it: they cannot be checked
// without the machine's or the examiner's roots.
type State string

// The states (notes of the trace: what "unsigned" may mean).
const (
	Agrees   State = "digest agrees"
	Differs  State = "digest differs"
	Unsigned State = "surely unsigned" // no embedded signature, catalogues readable, not in them
	Unknown  State = "unknown"         // catalogues missing or unreadable
)

// Known says which list of digests names the file.
type Known struct {
	List string `json:"list"`
	Name string `json:"name,omitempty"`
}

// String is a piece of text that looks like a host, an address or a URL.
type String struct {
	Kind     string `json:"kind"` // "url", "host", "address"
	Value    string `json:"value"`
	Offset   int64  `json:"offset"` // where it stands first
	Encoding string `json:"encoding"`
}

// Fact is one thing that is so, with what it does not prove.
type Fact struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	NotProven string `json:"not_proven"`
}

// Problem is a problem as a row tells it.
type Problem struct {
	Offset   int64            `json:"offset"`
	Length   int64            `json:"length,omitempty"`
	Kind     problem.Kind     `json:"kind"`
	Severity problem.Severity `json:"severity"`
	Expected string           `json:"expected,omitempty"`
	Found    string           `json:"found"`
}

// Fact gives the value of a fact by name, and whether it is there.
func (f *Facts) Fact(name string) (string, bool) {
	for _, x := range f.Facts {
		if x.Name == name {
			return x.Value, true
		}
	}
	return "", false
}

// VersionText is the first value of a key of the version resource.
func (f *Facts) VersionText(key string) string {
	for _, v := range f.Version {
		if v.Key == key {
			return v.Value
		}
	}
	return ""
}
