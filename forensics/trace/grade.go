package trace

import "kanshiki/forensics/event"

// Grade is how strong a claim may be said.
type Grade int

// The grades, weakest first. There is none for "did not happen".
const (
	CannotKnow Grade = iota
	Possible
	Supported
	Proven
)

var gradeNames = [...]string{"CANNOT KNOW", "POSSIBLE", "SUPPORTED", "PROVEN"}

func (g Grade) String() string { return gradeNames[g] }

// Lower is the next weaker grade; what is only possible stays so.
func (g Grade) Lower() Grade {
	if g > Possible {
		return g - 1
	}
	return g
}

// Entity is who or what a claim is about.
type Entity struct {
	Role     string // "object", "actor", "place", "source": the part it plays in the sentence
	Kind     string // "file", "program", "mail", "registry", "task", "service", "account", "host", "device", "log"
	Name     string // as the sentence shows it
	Exhibit  string
	Volume   int
	Path     string // from the volume's root
	Entry    uint64
	Sequence uint16
	SHA256   string
	Key      string // registry key
	Value    string // registry value
}

// Claim is a sentence of an answer.
type Claim struct {
	ID       string
	Answer   Answer
	Rule     string
	Act      string // what was done: "ran", "wrote", "persisted" …
	Part     Part   // which of the four claims of an act this is
	Grade    Grade
	Sentence string
	From, To event.Ticks
	Entities []Entity
	Events   []event.ID
	Lowered  []string // why the grade is lower than the rule's own
	Because  string   // why it cannot be known, or what would show it
	Channel  string
	BytesMin *int64
	BytesMax *int64 // nil where no upper bound is known
}

// Answer says which of the three questions a claim answers.
type Answer int

// The three answers, and what is shown apart.
const (
	Touched Answer = iota
	MayHaveLeft
	Unknown
	Context
)

// Part tells act, actor, content and direction apart; they are graded apart.
type Part string

// The parts.
const (
	TheAct     Part = "act"
	TheActor   Part = "actor"
	TheContent Part = "content"
)

// NotShown is what the claim does not say.
func (c *Claim) NotShown() string { return rule(c.Rule).NotShown }
