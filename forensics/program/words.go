package program

// notProven says of each fact what it does not prove. A fact without a line
// here is not emitted: TestEveryFactHasWords.
var notProven = map[string]string{
	"build-time":            "when it was built: the stamp can be set to any value; nor when it came to this machine",
	"build-time-not-usable": "anything about its age",
	"stamp-is-hash":         "when it was built: a reproducible build puts a hash where the time would be",
	"stamps-differ":         "forgery: linkers and later tools write these stamps at different moments",
	"export-time":           "when it was built: the stamp can be set to any value",
	"debug-time":            "when it was built: the stamp can be set to any value, or is a hash",
	"original-filename":     "that this is that program: the text is free",
	"internal-name":         "that this is that program: the text is free",
	"company":               "who made it: the text is free, the signature is the maker's word",
	"product":               "what it is: the text is free",
	"description":           "what it is: the text is free",
	"file-version":          "its version: the numbers are free",
	"name-differs":          "disguise: installers, updaters and users rename programs",
	"pdb-path":              "where it was built or by whom: the text is free, though linkers write it",
	"rich-hash":             "that two programs have one maker: the same tools in the same numbers give the same hash",
	"rich-key-differs":      "harm: tools that change the head of a file after linking cause it too",
	"dotnet":                "what it does",
	"language":              "where its maker sits: the language of resources is the toolkit's or the template's",
	"icon-hash":             "what it is: icons are copied",
	"tls-callbacks":         "harm: compilers use them; they run before the entry point does",
	"no-imports":            "packing: resource libraries need nothing",
	"imports-by-number":     "hiding: some system libraries are used by number",
	"entry-outside":         "harm: libraries without code have none",
	"entry-not-code":        "harm: packers and odd linkers cause it",
	"entry-in-last-section": "infection: packers and some linkers place it there",
	"section-write-execute": "harm: packers, old linkers and drivers use such sections",
	"section-name-of-tool":  "that this packer was used: names are free",
	"high-entropy":          "encryption: compressed pictures and archives look the same",
	"packed-code":           "harm: installers and commercial protectors pack too",
	"checksum-differs":      "change: Windows demands it of drivers only, and few tools write it",
	"overlay":               "harm: installers carry their payload there; the certificate table is not counted",
	"overlay-content":       "that it is used: the first bytes look like it",
	"program-inside":        "that it is started: installers and debuggers carry programs; the bytes look like one",
	"data-after-signature":  "change: where the digest fits, the bytes were signed too",
	"certificate-outside":   "that it was signed: the directory points outside the file, as after a cut",
	"signature-unreadable":  "that it is unsigned: the table is there and could not be read",
	"signature-digest":      "that the program is benign: it is as it was when signed; chain and roots were not checked",
	"digest-differs":        "that somebody changed it on purpose: damage looks the same",
	"signature-broken":      "forgery: damage looks the same",
	"signature-nested":      "anything by itself: makers sign twice for old and new systems",
	"signed-at":             "when it was built: it is the countersigner's word for the time of signing",
	"no-countersignature":   "that the time of signing is false: it is unstated, or the signer's own word",
	"outside-validity":      "forgery: the time of signing lies outside the certificate's validity",
	"page-hashes":           "anything: the maker asked for them",
	"catalogue":             "that the program is benign: its digest stands in a catalogue of this machine",
	"surely-unsigned":       "harm: much honest software is not signed",
	"net-strings":           "that it ever connected: the texts stand in the file",
	"delay-imports":         "that they are used",
	"known":                 "more than the list does: lists of known files hold unwanted programs too",
	"size-of-prefix":        "what the rest holds: only this much was read as a program",
	"readers-differ":        "which of the two readers is right",
}

// say adds a fact.
func (f *Facts) say(name, value string) {
	if words := notProven[name]; words != "" {
		f.Facts = append(f.Facts, Fact{name, value, words})
	}
}
