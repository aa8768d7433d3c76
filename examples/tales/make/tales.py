# tales.py -- a grammar of little tales, and of talks about them; `python tales.py 5` prints five.
import random
import re
import sys

import words as w

KINDS = {k.split()[0]: (k.split() + [""])[1] for k in w.KINDS.replace("\n", "|").split("|") if k}
THING_CLASS = {t: c for c, ts in w.THINGS.items() for t in ts.split()}
PLACES = [p for p in w.PLACES.replace("\n", "|").split("|") if p]
HOMES = [h for h in w.HOMES.split("\n") if h]
NAMES = {"she": w.NAMES_SHE.split(), "he": w.NAMES_HE.split()}
PRONOUNS = {"she": ("she", "her", "her"), "he": ("he", "him", "his")}
STRANGE = w.STRANGE.replace("\n", "|").split("|")

# What somebody does who has a thing of a class.
JOY = dict(
    light="every evening {x.he} lit it and watched the shadows [dance|wave|play cards]",
    sound="every morning {x.he} played it until the [hills rang|spoons danced|neighbours sang along]",
    warm="{x.he} would not sleep without it, not even in [summer|the sun|July]",
    tool="{x.he} said that there was nothing in the world [it could not do|so useful|so well made]",
    toy="{x.he} played with it from morning [to night|to bedtime|until the stars came out]",
    treasure="{x.he} looked at it every night [before bed|by the window|and told it secrets]",
    food="{x.he} was saving it for [a special day|a very hungry day|the best day of the year]",
    rare="{x.he} would not have given it away for [a castle|all the gold in the sea|ten cakes]",
)

BETWEEN = "\n\n* * *\n\n"  # two tales of a book
CHOICE = re.compile(r"\[([^\[\]]*)\]")


class Who:
    """A character: kind, name, what it can do, pronouns."""

    def __init__(self, kind, name, sex):
        self.kind, self.name, self.skill = kind, name, KINDS.get(kind, "")
        self.he, self.him, self.his = PRONOUNS[sex]

    def __str__(self):
        return self.name


class Thing:
    """A thing, with how it looks: 'little red' 'lantern'."""

    def __init__(self, r, noun):
        self.noun, self.kind = noun, THING_CLASS.get(noun, "rare")
        self.look = r.choice((w.FOOD_LOOKS if self.kind == "food" else w.LOOKS + " " + w.COLOURS).split())
        self.a = "a " + self.look + " " + noun

    def __str__(self):
        return self.noun


def tidy(text):
    text = re.sub(r"(^|[.!?] )([a-z])", lambda m: m[1] + m[2].upper(), " ".join(text.split()))
    return re.sub(r"\b([Aa]) (?=[aeiouAEIOU](?!ni))", r"\1n ", text)


class Tale:
    """A tale on the way: what its words stand for, its paragraphs, and what can be asked about it."""

    def __init__(self, r, wish):
        self.r, self.v, self.paragraphs, self.questions = r, {}, [], []
        self.names = []
        self.v["x"] = self.who(kind=wish.get("kind"), name=wish.get("name"))
        self.v["y"] = self.who(kind=wish.get("friend"))
        self.v["o"] = Thing(r, wish.get("thing") or r.choice(list(THING_CLASS)))
        self.v["p"], self.v["q"] = r.sample(PLACES, 2)
        self.trait = r.choice(list(w.TRAITS))

    def who(self, kind=None, name=None, skills=None):
        taken = [c.kind for c in self.v.values() if isinstance(c, Who)]
        kind = kind or self.r.choice([k for k, s in KINDS.items() if k not in taken and (not skills or s in skills)])
        sexes = ["she"] if kind in w.SHE.split() else ["he"] if kind in w.HE.split() else ["she", "he"]
        sex = next((s for s in NAMES if name in NAMES[s]), None) or self.r.choice(sexes)
        name = name or self.r.choice([n for n in NAMES[sex] if n not in self.names])
        self.names.append(name)
        return Who(kind, name, sex)

    def text(self, template):
        while CHOICE.search(template):
            template = CHOICE.sub(lambda m: self.r.choice(m[1].split("|")), template)
        return tidy(template.format(**self.v))

    def para(self, *sentences):
        self.paragraphs.append(self.pronouns(self.text(" ".join(sentences))))

    def pronouns(self, paragraph):
        """Most often a name at the beginning of a sentence is a pronoun, where nobody else was spoken of since."""
        x, others = self.v["x"], [c.name for c in self.v.values() if isinstance(c, Who)][1:]
        sentences = re.split(r"(?<=[.!?]) (?=[A-Z])", paragraph)
        for i in range(1, len(sentences)):
            both = sentences[i - 1] + " " + sentences[i]
            alone = not any(re.search(r"\b%s\b" % n, both) for n in others) and '"' not in both
            if alone and sentences[i].startswith(x.name + " ") and sentences[i - 1].startswith((x.name + " ", x.he.capitalize() + " ")) and self.r.random() < .7:
                sentences[i] = x.he.capitalize() + sentences[i][len(x.name):]
        return " ".join(sentences)

    def ask(self, question, answer):
        self.questions.append((self.text(question), self.text(answer)))

    def open(self):
        """Who it is about, and one thing about them."""
        self.v["trait"], self.v["home"] = self.trait, self.text(self.r.choice(HOMES)).rstrip(".")
        self.v["home"] = self.v["home"][0].lower() + self.v["home"][1:]
        first, _ = w.TRAITS[self.trait].split("=")
        return """[Once upon a time there was a {trait} {x.kind} called {x}, who lived {home}.
                  |Once upon a time, {home}, there lived a {trait} {x.kind} called {x}.
                  |There was once a {trait} {x.kind} named {x}.
                  |Long ago, {home}, lived a {x.kind} whose name was {x}, and {x} was very {trait}.
                  |One day a {trait} {x.kind} called {x} woke up earlier than usual.
                  |{home} lived {x}, a {trait} {x.kind}.
                  |This is the story of {x}, a very {trait} {x.kind}.
                  |Not so long ago there was a {trait} {x.kind} by the name of {x}.] """ + first

    def echo(self):
        """What comes of it in the end: now and then."""
        return w.TRAITS[self.trait].split("=")[1] if self.r.random() < .6 else ""


# Each plot tells its tale, and returns what it means. {x}: who it is about, {y}: the other, {o}: a thing, {p} and {q}: places.

OBSTACLES = dict(
    fly=("hung from the highest branch of a tree", "fly", "[flapped|rose|sailed] up to the top and brought it down"),
    climb=("hung from the highest branch of a tree", "climb", "[ran|went] up the trunk like [smoke|a little wind] and brought it down"),
    swim=("lay on a rock in the middle of the water", "swim", "[slid|jumped|dived] into the water and brought it back, [dripping|quite wet]"),
    dig=("had fallen into a deep, dark hole", "dig", "dug until the [earth flew|sand flew|day was half over], and brought it up"),
    strong=("was caught under a great stone", "lift stones", "lifted the stone [with one paw|as if it were bread|and did not even groan]"),
    small=("had slipped into a crack as thin as a finger", "get through a crack", "[slipped|went|crept] through the crack and pushed it out"),
)

TREES = ["in the dark wood", "on the hill", "in the meadow", "in the garden", "at the crossroads", "behind the church"]
WALLS = ["behind the old mill", "behind the bakery", "in the barn", "in the empty castle", "behind the church", "in the quiet cave"]
WATERS = ["by the river", "by the pond", "by the lighthouse", "at the harbour", "by the waterfall", "under the stone bridge"]
OBSTACLE_PLACES = dict(fly=TREES, climb=TREES, swim=WATERS, dig=TREES, strong=TREES + WALLS, small=WALLS)


def plot_lost(t):
    """Something is lost, and found by somebody who can do what is needed."""
    x = t.v["x"]
    skills = [s for s in OBSTACLES if s not in (x.skill, "climb" if x.skill == "fly" else "fly" if x.skill == "climb" else "")]
    if t.v["y"].skill not in skills or t.v["y"].skill == "":
        t.v["y"] = t.who(skills=skills)
    t.v["where"], t.v["can"], t.v["did"] = (t.text(s)[0].lower() + t.text(s)[1:] for s in map(t.text, OBSTACLES[t.v["y"].skill]))
    t.v["p"] = t.r.choice(OBSTACLE_PLACES[t.v["y"].skill])
    t.v["thief"] = t.r.choice(["the wind", "a strong wind", "the storm of last night"])
    t.para(t.open(), "[What {x} loved most|The best thing that {x} had|What {x} liked best in the world] was {o.a}, and", JOY[t.v["o"].kind] + ".")
    t.para("[One morning|One cold morning|On the first day of spring|One grey morning] the {o} was gone. {x} looked [under the bed|in the cupboard|behind the door] and [in the soup pot|under the rug|in both shoes], but it was not there.",
           "[\"Who has seen my {o}?\" asked {x}.|\"My {o}!\" cried {x}. \"Where can it be?\"] [\"I think that {thief} took it,\" said a [daisy|snail|cloud].|\"I saw it fly by with {thief},\" said [an old crow|a sheep|the postman].]")
    t.para("[So {x} set out, and found it {p}.|{x} looked all day, and at last found it {p}.|{x} walked and walked, and there it was, {p}.] But it {where}, and {x} could not {can}. {x} [sat down and sighed|sat down and cried a little|tried three times, and then sat down].",
           "[Just then|After a while|Before long] a {y.kind} called {y} came [by|along|down the path]. \"Why are you [so sad|sighing|sitting there]?\" asked {y}.",
           "\"[My {o} is there, and I cannot {can}|I cannot {can}, and that is my {o}],\" said {x}. \"[But I can|That is easy for me|Then do not cry],\" said {y}, and {did}.")
    t.para("[\"Thank you!\" said {x}. \"How can I ever thank you?\"|{x} danced for joy.|{x} hugged the {o}, and then {y}.]",
           "[\"Come for tea,\" said {x}, and {y} came, that day and every day.|They walked home together, and from that day on {y} had a friend.|\"One day you will do something that I cannot,\" said {y}, and so it was.]", t.echo())
    t.ask("[Who helped {x}?|Who found a way to help {x}?|Who brought back the {o}?]", "[{y} the {y.kind} helped {x}.|It was {y}, the {y.kind}.]")
    t.ask("[What did {x} lose?|What was lost?|What was gone?]", "{x} lost {o.a}.")
    t.ask("[Where was the {o}?|Where did {x} find the {o}?]", "It was {p}. It {where}.")
    t.ask("[Why was {x} sad?|Why did {x} sit down?]", "Because {x} could not {can}, and the {o} {where}.")
    t.ask("[Who took the {o}?|Where did the {o} go?]", "[{thief} took it.|It was {thief}.]")
    return "[Everybody can do something that you cannot|What is hard for one is easy for another]."


WISHES = [
    ("touch the moon", "climbed the highest hill and stretched out {x.his} arms, but the moon was [still too high|higher still]",
     "showed {x} the pond. There, in the still water, lay the moon", "bent down and touched it, and it [was wet|shook with laughter|was cold and kind]"),
    ("catch the wind", "ran after it with a sack, but the sack [was always empty|only got holes]",
     "hung a row of leaves above {x}'s door. When the wind came by, the leaves began to sing", "listened, and [did not need the sack any more|gave the sack to a potato]"),
    ("see the end of the world", "walked for seven days, but behind each hill there was [one more hill|another hill]",
     "walked along with {x} until they were back at {x}'s own door, for the world is round", "laughed, and [went in and made tea|put the kettle on]"),
    ("own a star", "stood on the roof with a net, but the stars [did not come down|only winked]",
     "said, \"Choose one, and wave to it every night. Then it is yours.\" So {x} chose the smallest star", "waved, and [it seemed to wave back|the star winked]"),
    ("hear the sea", "put an ear to the ground, and then to a cow, but [heard only grass|the cow only mooed]",
     "held a shell to {x}'s ear. Far away, in the shell, the sea was [breathing|singing]", "listened until [it was dark|supper was cold|the stars came out]"),
    ("find the end of the rainbow", "ran and ran, but the rainbow [ran, too|was always one field away]",
     "ran up the other hill, looked back, and called, \"Stand still! You are standing in it!\"", "looked down, and [both hands were|the whole {x.kind} was] red and green and gold"),
    ("sleep on a cloud", "jumped from the barn as one floated by, and landed in [the hay|the mud]",
     "led {x} out into the fog. A cloud had come down and lay all over the [meadow|garden]", "lay down in it and slept until noon"),
    ("stop time", "held the hands of the church clock, but the sun [went down all the same|did not care]",
     "sat with {x} on the bridge, and they talked and talked, and nobody looked at any clock", "said that now it had stood still, [just for them|just a little]"),
]


def plot_wish(t):
    """Somebody wants what cannot be had, and has it in another way."""
    wish, tried, help_, got = t.r.choice(WISHES)
    for k, s in (("wish", wish), ("tried", tried), ("help", help_), ("got", got)):
        s = t.text(s)
        t.v[k] = s if s.startswith(str(t.v["x"])) else s[0].lower() + s[1:]
    t.para(t.open(), "[More than anything|More than cake|Since {x.he} could walk], {x} wanted to {wish}. [\"That cannot be done,\" said everybody.|\"Nobody can do that,\" said the neighbours.|Everybody laughed about it, even the [fish|hens].]")
    t.para("[But one morning|So one day|But one fine evening] {x} took {o.a}, [because one never knows|just in case|for luck], and set out. First {x} {tried}.",
           "[Then {x} tried again, with the {o}, and that was worse.|{x} waved the {o}, but it did not help.|{x} asked the {o} what to do, but it said nothing.]")
    t.para("[On the way back|{p}|In the evening, {p}], {x} met {y}, a {y.kind}. \"[What are you doing with that {o}?|Why do you look so tired?|Where are you going?]\" asked {y}. \"I want to {wish},\" said {x}.",
           "{y} did not laugh. [\"I know how,\"|\"Oh, but that is easy,\"|\"Come with me,\"] said {y}.")
    t.para("[That very night|That same evening|Before long] {y} {help}. {x} {got}.",
           "[And the {o}? It had come along for the walk.|The {o} was left {p}, where it is to this day.|{x} gave {y} the {o}, to say thank you.|They carried the {o} home together.]", t.echo())
    t.ask("[What did {x} want?|What was {x}'s wish?|What did {x} want to do?]", "{x} wanted to {wish}.")
    t.ask("[Who helped {x}?|Who knew how?]", "[{y} the {y.kind} helped {x}.|It was {y}, the {y.kind}.]")
    t.ask("[How did {x} try first?|What did {x} do first?]", "First {x} {tried}.")
    t.ask("[What did {x} take along?|What did {x} carry?]", "{x} took {o.a}.")
    return "[What you wish for may be nearer than you think|Some things come when you stop running after them]."


def plot_gift(t):
    """A present that goes to and fro."""
    t.v["season"] = t.r.choice(["spring", "summer", "autumn", "winter"])
    t.para(t.open(), "{x}'s best friend was {y}, a {y.kind} who lived {p}. [Tomorrow was {y}'s birthday|It was nearly {y}'s birthday|The day after was {y}'s birthday], and {x} had [no present|nothing to give|not one penny].")
    t.para("[{x} thought all night.|{x} looked in every cupboard.|{x} counted {x.his} money: it was one button.] There was only {o.a}, and {x} loved it, for", JOY[t.v["o"].kind] + ".",
           "[\"A present should be something good,\" said {x}, and wrapped it in blue paper.|\"If I love it, {y} will love it, too,\" said {x}, and wrapped it in blue paper.|{x} sighed, and wrapped it in blue paper.]")
    t.para("[\"Oh!\" cried {y}. \"I have always wanted {o.a}!\"|\"For me?\" asked {y}. \"But it is the best thing you have!\"|{y} opened the paper, and was quiet for a long time.] [They ate cake until it was dark.|They danced {q} until it was dark.|There was cake, and there was singing.]")
    t.para("When {season} came, it was {x}'s birthday. {y} [came early|knocked at the door|stood at the door] with a parcel in blue paper. In it was {o.a}.",
           "[\"It missed you,\" said {y}.|\"Now it is your turn,\" said {y}.|\"I had nothing better,\" said {y}. \"Nobody has.\"]",
           "And so the {o} [travels|goes] from house to house, twice a year, [to this day|and the paper is quite soft by now|always in the same blue paper].", t.echo())
    t.ask("[What did {x} give to {y}?|What was the present?|What was in the paper?]", "{x} gave {y} {o.a}.")
    t.ask("[Whose birthday was it?|Who had a birthday?]", "First it was {y}'s birthday, and in {season} it was {x}'s.")
    t.ask("[Where did {y} live?|Where did the friend live?]", "{y} lived {p}.")
    t.ask("[What colour was the paper?|What was it wrapped in?]", "It was wrapped in blue paper.")
    return "[The best present is one that you would like to keep|What you give away with love comes back]."


FEARS = [("the dark", "the lights went out", "night"), ("thunder", "a storm came up", "storm"), ("ghosts", "it was dark and foggy", "fog"),
         ("the deep wood", "the sun had gone down", "night")]
TROUBLES = ["had hurt a foot", "was stuck in a bush", "had lost the way home", "had fallen into a ditch", "was caught in a fence"]


def plot_fear(t):
    """Somebody is afraid, and has no time for it."""
    t.v["fear"], t.v["when"], _ = t.r.choice(FEARS)
    t.v["trouble"] = t.r.choice(TROUBLES)
    t.trait = t.r.choice([k for k in w.TRAITS if k not in ("brave", "stubborn")])
    t.para(t.open(), "But {x} was afraid of {fear}. [At night {x} pulled the blanket over both ears.|{x} told nobody about it, only the {o}.|When others laughed about it, {x} only looked at the floor.]")
    t.para("[One evening|One night|Late one evening], when {when}, there was a [knock|scratching] at the door. It was a [mouse|moth|little bird]. \"{y} the {y.kind} [has not come home|is missing|went out and did not come back],\" it said. \"[Somebody must go and look.|Who will go and look?|Everybody else is asleep.]\"",
           "{x}'s knees [shook|knocked|trembled]. [But {y} was a friend|But {y} would have come, too|But somebody had to go], so {x} took {o.a} and held it tight.")
    t.para("[The wind howled.|Something rustled.|The trees creaked.] {p}, [something cried|something moaned|there was a strange sound]. [\"A monster!\" thought {x}.|\"I want to go home,\" thought {x}.|{x} wanted to run.] But {x} [went on, one step, and one more|counted to three and went on|held the {o} tighter and went on].",
           "It was {y}, who {trouble}. \"[You came!|I knew you would come,|Is it really you?]\" said {y}. \"Of course,\" said {x}, and [helped {y} up|pulled until {y} was free|took {y} by the hand].".replace("[helped {y} up|pulled until {y} was free|took {y} by the hand]", "helped {y} home, step by step"))
    t.para("[They had hot soup by the fire.|They drank cocoa until morning.|They sat by the stove and drank tea.] \"Were you not afraid of {fear}?\" asked {y}. {x} thought about it. \"[I forgot|I had no time|I was, but you were more important],\" said {x}.", t.echo())
    t.ask("[What was {x} afraid of?|What did {x} fear?]", "{x} was afraid of {fear}.")
    t.ask("[What had happened to {y}?|Why did {y} not come home?]", "{y} {trouble}.")
    t.ask("[Where was {y}?|Where did {x} find {y}?]", "{x} found {y} {p}.")
    t.ask("[What did {x} take along?|What did {x} hold?]", "{x} took {o.a}.")
    t.ask("[Why did {x} go out?|Why was {x} brave?]", "Because {y} was a friend, and somebody had to go.")
    return "[Whoever helps a friend has no time to be afraid|To be brave is to be afraid and go all the same]."


def plot_quarrel(t):
    """Two find one thing."""
    food = t.v["o"].kind == "food"
    t.para(t.open(), "One day {x} and {y} the {y.kind} went for a walk, and {p} they found {o.a}. [\"I saw it first!\" said {x}.|\"It is mine!\" said {x}.] [\"No, I did!\" said {y}.|\"No, it is mine!\" said {y}.]".replace("[\"No, I did!\" said {y}.|\"No, it is mine!\" said {y}.]", "\"No, mine!\" said {y}."))
    t.para("{x} pulled on one side, and {y} pulled on the other. They pulled [so hard that their ears turned red|all morning|through a hedge and a puddle]. Then there was a [crack|loud crack|terrible noise], and each of them had half a {o}.",
           "[Nobody said a word.|It became very quiet.|They looked at the halves, and then at the ground.] {x} went home [with one half|without a word], and {y} did the same.".replace("[with one half|without a word]", "with one half"))
    if food:
        t.para("[That evening {x} looked at the half {o}. It tasted of nothing at all.|At supper {x} tried the half {o}, but alone it did not taste good.] [There was a knock.|Then there was a knock at the door.] It was {y}, with the other half. \"[I am not hungry alone|It is too quiet at my house],\" said {y}.",
               "So they put the halves together, [and made tea|and lit a candle], and ate, and [half a {o} was more than enough|it was the best {o} in the world|nobody counted the crumbs].", t.echo())
    else:
        t.para("[But what can one do with half a {o}? Nothing at all.|Half a {o} is good for nothing, and {x} could not sleep.|All night {x} looked at the half {o}, and it looked back.] In the morning {x} went to {y}, and met {y} halfway, [{q}|on the road|at the crossroads]. [Both said \"I am sorry\" at the same time.|\"I am sorry,\" said {x}. \"So am I,\" said {y}.]",
               "They mended it with [string|honey|glue and string|a great deal of string]. It was [a bit crooked|not pretty|not quite straight] now, but [it was theirs|they liked it better than before|it was the best {o} in the world].", t.echo())
    t.ask("[What did they find?|What did {x} and {y} find?]", "They found {o.a}.")
    t.ask("[Why did they quarrel?|Why were they angry?]", "Because both wanted the {o}.")
    t.ask("[Where did they find it?|Where was the {o}?]", "They found it {p}.")
    t.ask("[What happened to the {o}?|Did the {o} break?]", "They pulled until it broke, and each had half a {o}.")
    t.ask("[Were they friends again?|Did they make up?]", "Yes, {x} and {y} were friends again.")
    return "[Half of something is little, but shared it is whole|A thing can be mended, and so can a friendship]."


def plot_race(t):
    """A race, and who wins it."""
    t.v["winner"] = t.r.choice(["a snail", "an old tortoise", "a beetle", "a very small worm"])
    t.para(t.open(), "One day there was a race, from the old oak to the [church|bridge|harbour], and the prize was {o.a}. {x} wanted it [very much|more than anything|so much that {x.he} dreamed of it]. So did {y} the {y.kind}, [who was the fastest of all|who had won every race|who had longer legs].")
    t.para("[\"One, two, three, go!\" called the judge.|The judge waved a flag.|A bell rang, and off they ran.] {y} ran [like the wind|like an arrow|so fast that the dust stood still], and {x} ran behind. But {p}, {y} [fell over a root|stepped into a hole|slipped in the mud], and [cried out|could not get up].",
           "{x} could have run on. [The way was free, and the {o} was so near.|There was the end, and there was the {o}.] But {x} [stopped|turned around|looked back, and stopped]. \"[Lean on me|Take my arm|Can you stand]?\" said {x}.".replace("[Lean on me|Take my arm|Can you stand]?\" said", "[Are you hurt|Can you walk]?\" asked"))
    t.para("They came in together, very slowly, arm in arm. But the {o} was gone: {winner} had won, [who had started the day before|who had simply gone on|who had not stopped for lunch].",
           "[{x} and {y} laughed until their sides hurt.|{x} looked at {y}, {y} looked at {x}, and they began to laugh.] \"[Next time we run for fun|Who needs a {o}|I found something better],\" said {x}.", t.echo())
    t.ask("[Who won the race?|Who won?|Who got the {o}?]", "{winner} won the race.")
    t.ask("[What was the prize?|What could one win?]", "The prize was {o.a}.")
    t.ask("[Why did {x} stop?|Why did {x} not win?]", "Because {y} was hurt, and {x} stopped to help.")
    t.ask("[Where did {y} fall?|What happened to {y}?]", "{y} fell {p}, and could not get up.")
    return "[A friend is better than a prize|Some races are won by stopping]."


NOISES = [("whoo, whoo", "was blowing on a cup of tea that was too hot"), ("tap, tap, tap", "was building a bed, and had only a spoon for a hammer"),
          ("hrrr, hrrr", "was asleep, and snored"), ("boo hoo, boo hoo", "was crying, because nobody ever came to visit"),
          ("click, clack", "was dancing, all alone, in wooden shoes"), ("splash, splash", "was doing the washing, because by day everybody stared"),
          ("brrr, brrr", "was cold, and had no blanket")]


def plot_noise(t):
    """A noise at night, and what makes it."""
    t.v["noise"], t.v["cause"] = t.r.choice(NOISES)
    t.v["guess"] = t.r.choice(["a ghost", "a dragon", "a monster with three heads", "a giant with a cold"])
    t.para(t.open(), "Every night, {p}, there was a noise: {noise}. [\"It is {guess},\" said the neighbours, and locked their doors.|\"That is {guess},\" said everybody, and nobody dared to look.|People said that it was {guess}, and hid under their beds.]")
    t.para("[\"Has anybody asked?\" said {x}. Nobody had.|{x} could not sleep for it.|\"Perhaps it needs something,\" said {x}.] So [that night|one night|when the moon was up] {x} took {o.a}, [put on a hat|took a deep breath|ate a bun for courage], and went to look.",
           "The noise became louder. {noise}! {x} [held up the {o}|hid behind the {o}|swallowed hard] and called, \"Who is there?\" [Everything was still.|The noise stopped.] \"[Only me|It is only me|Me],\" said a small voice.")
    t.para("It was a {y.kind} called {y}, who {cause}. \"[I am so sorry|Was I too loud|Did I wake you]?\" said {y}.".replace("[I am so sorry|Was I too loud|Did I wake you]?\" said", "[Was I too loud|Did I wake you]?\" asked"),
           "\"Everybody thinks that you are {guess},\" said {x}, and they both laughed. {x} gave {y} the {o}, [and promised to come again|and stayed until morning|and a bun].")
    t.para("Now, when the noise comes at night, [everybody smiles|the neighbours turn over and sleep on|the children count along]. [\"That is only {y},\" they say.|\"Good night, {y},\" they say.]", t.echo())
    t.ask("[What made the noise?|Who made the noise?|What was the noise?]", "It was {y} the {y.kind}, who {cause}.")
    t.ask("[What did the neighbours think?|What did people think it was?]", "They thought that it was {guess}.")
    t.ask("[Where was the noise?|Where did the noise come from?]", "It came from somewhere {p}.".replace("from somewhere ", "at night, "))
    t.ask("[What did {x} give to {y}?|What did {x} take along?]", "{x} took {o.a}, and gave it to {y}.")
    return "[What you are afraid of may only want a visit|It is best to go and ask]."


def plot_trick(t):
    """A bad bargain that turns out well."""
    t.v["magic"] = t.r.choice(["stone", "bean", "stick", "nut"])
    t.v["deed"], t.v["result"] = t.r.choice([("speak up at the meeting", "everybody clapped"), ("sing in front of the whole village", "the birds sang along"),
                                             ("jump over the wide brook", "landed with dry feet"), ("say hello to the bear", "the bear said hello, too")])
    if t.v["deed"].endswith("bear") and "bear" in (t.v["x"].kind, t.v["y"].kind):
        t.v["deed"], t.v["result"] = "cross the high bridge", "did not even shake"
    t.para(t.open(), "{x} had {o.a}, and", JOY[t.v["o"].kind] + ".", "One day a sly {y.kind} called {y} came [by|to the door|down the road]. \"What a fine {o},\" said {y}. \"[Give it to me, and I will give you|I will trade it for] this magic {magic}. [Whoever holds it can do anything|With it you can do anything].\" [{x} believed it|{x} thought of that all of one minute], and they traded.")
    t.para("[{y} went away and laughed.|{y} laughed all the way home.|Behind the corner {y} laughed aloud.] It was a very common {magic}, from {y}'s own garden.".replace("from {y}'s own garden", "and there was no magic in it"),
           "But {x} did not know that. The next day {x} held the {magic} tight, and dared to {deed}. [And look|And see|And truly]: {x.he} {result}.".replace("{x.he} {result}", "{result}") if t.v["result"].startswith(("everybody", "the ")) else
           "But {x} did not know that. The next day {x} held the {magic} tight, and dared to {deed}. And {x} {result}.")
    t.para("{y} [heard of it|saw it|was there], and [grew very quiet|could not laugh any more|scratched an ear]. That evening {y} brought back the {o}. \"[I lied to you|I tricked you|I must tell you something],\" said {y}. \"[It is only a {magic}|There is no magic in the {magic}].\"",
           "{x} looked at the {magic}, and [smiled|laughed|thought for a while]. \"[Then it was me|Then I did it all by myself|So that was only me],\" said {x}. [And they had tea.|\"Come in and have some tea.\"|\"You may keep the {magic}. It may help you to be honest.\"]", t.echo())
    t.ask("[What did {x} get for the {o}?|What did {y} give to {x}?]", "{x} got a {magic}, and there was no magic in it.")
    t.ask("[What did {x} dare to do?|What did {x} do with the {magic}?]", "{x} dared to {deed}.")
    t.ask("[Was the {magic} magic?|Was it really magic?|Was there magic in the {magic}?]", "No, it was only a {magic}. {x} did it alone.")
    t.ask("[Who lied?|Who tricked {x}?|Who was sly?]", "{y} the {y.kind} did, but {y} was sorry.")
    return "[Sometimes you can do more than you know|You need no magic if you dare]."


def plot_plant(t):
    """Something is planted that does not grow, and something grows."""
    t.para(t.open(), "{x} had {o.a}, and liked it so much that {x.he} wanted a whole tree of them. So {x} [dug a hole {p}|went out and dug a hole {p}] and planted the {o}.".replace("[dug a hole {p}|went out and dug a hole {p}]", "dug a hole {p}"),
           "[The neighbours laughed.|\"A {o} does not grow!\" said the neighbours.|A hen laughed so hard that she laid an egg.] But every morning {x} [watered|visited|sang to] it.")
    t.para("[After a week nothing had grown.|A week went by, and nothing grew.] [After a month there was only mud.|Then it rained, and there was only mud.] [{x} sat down beside it|{x} brought a chair] and waited. Then {y} the {y.kind} came by. \"What are you doing?\" asked {y}. \"I am waiting for a {o} tree,\" said {x}. [\"May I wait, too?\" asked {y}.|\"I have never seen one,\" said {y}. \"I will wait with you.\"]")
    t.para("So they waited [together|side by side]. They told each other [stories|riddles|everything they knew], and shared [their bread|plums and tea|one umbrella]. [Spring became summer|Summer became autumn|The days grew long], and they [hardly noticed|forgot to look at the ground].",
           "\"Nothing has grown here,\" [said {x} one day|said {x} at last]. {y} [smiled|looked at {x} for a long time]. \"[Oh, I think something has|But we have]\", said {y}.".replace("]\", said", "],\" said"),
           "[And the {o} is still down there. Who knows?|They dug up the {o}, and it was as good as new.|In the spring they planted a spoon, to see.]", t.echo())
    t.ask("[What did {x} plant?|What was planted?]", "{x} planted {o.a}.")
    t.ask("[What grew?|Did the {o} grow?|Did a tree grow?]", "No tree grew, but a friendship did.")
    t.ask("[Who waited with {x}?|Who came by?]", "{y} the {y.kind} did.")
    t.ask("[Where did {x} plant it?|Where was the hole?]", "The hole was {p}.")
    t.ask("[Why did {x} plant the {o}?|What did {x} want?]", "{x} wanted a whole tree of them.")
    return "[Friendship grows while you wait for something else|You may wait for one thing and get a better one]."


def plot_storm(t):
    """A small house, and who finds room in it."""
    t.v["z"], t.v["u"] = t.who(skills=("strong", "")), t.who(skills=("small",))
    t.v["weather"] = t.r.choice(["It snowed", "It rained", "The wind blew", "It hailed"])
    t.para(t.open(), "{x}'s house was [so small that the door was half of it|just big enough for one|no bigger than a cupboard], and in it were a bed, a stove, and {o.a}.",
           "One night there was a terrible storm. {weather} [all night|harder and harder|as if it would never stop]. There was a knock. It was {y} the {y.kind}, [wet to the bone|shaking with cold]. \"[Is there room for me|May I come in]?\" asked {y}. \"[There is always room for one more|If we sit close, there is],\" said {x}.")
    t.para("[Soon|Then|Before the tea was hot] there was another knock. It was {z} the {z.kind}. \"[Is there room for me, too|Is it very full in there]?\" asked {z}. {x} looked at the bed, at the stove, and at the {o}. \"[There is always room for one more|Come in and mind the {o}],\" said {x}. Now [the walls creaked|the roof went up and down when they breathed|nobody could move an elbow].",
           "And then {u} the {u.kind} came, the smallest of all. \"[I take up no room|I am only little],\" said {u}. {u} [sat down on|slept in|climbed onto] the {o}, and the house [groaned, but it held|did not burst|held].")
    t.para("[They told stories until morning.|They sang all night, louder than the storm.|Nobody slept, and nobody minded.] When the sun came up, [they went home, one by one|the storm was over], and the house was [very big and very quiet|suddenly much too big]. \"[Come again when it is dry|Come again, even without a storm],\" said {x}. And they did.", t.echo())
    t.ask("[Who came first?|Who knocked first?]", "{y} the {y.kind} came first.")
    t.ask("[Who came last?|Who was the smallest?]", "{u} the {u.kind} came last, the smallest of all.")
    t.ask("[Where did {u} sit?|Where was {u}?]", "On the {o}.")
    t.ask("[Was there room for everybody?|Was the house big?]", "The house was small, but there was room for everybody.")
    return "[There is always room for one more|A small house is big enough for friends]."


def plot_farewell(t):
    """Somebody goes away, and comes back."""
    if t.v["y"].skill != "fly" or t.v["y"].kind == "bat":
        t.v["y"] = t.who(kind=t.r.choice([k for k in ("robin", "swallow", "heron", "crow") if k != t.v["x"].kind]))
    t.para(t.open(), "All summer {x} and {y} the {y.kind} were [together|never apart]. They [swam|sat|talked|played] {p}, and {q} they had a secret place. But then the leaves [fell|turned brown|turned red]. \"I must fly south,\" said {y}. \"[It is too cold for me here|That is what we do in autumn].\"".replace("[swam|sat|talked|played]", "[sat|talked|played]"))
    t.para("{x} did not know what to say. So {x} gave {y} {o.a}. \"Take it,\" said {x}, \"[then you will not forget me|so that something of me goes along|and bring it back].\" {y} [took it and flew|flew away with it], and became [a dot, and then nothing|smaller and smaller].",
           "The winter was [long|long and white|longer than any other]. [Every day {x} looked at the sky.|{x} wrote letters that no wind would carry.|The secret place was full of snow.] [\"Perhaps {y} has found a better friend,\" thought {x}.|\"Perhaps {y} has forgotten me,\" thought {x}.]")
    t.para("Then, one morning, [the snow melted|the first flower opened|the ice broke], and there was a [dot|small dot] in the sky. It grew, and it was {y}, with the {o}! \"[I showed it to everybody|It has seen the sea|I looked at it every night],\" said {y}. \"[And I told them about you|And it made me think of you|But here it is more beautiful].\"",
           "[{x} could not speak for joy.|{x} laughed and cried at once.|They talked until the stars came out.]", t.echo())
    t.ask("[Where did {y} go?|Where did {y} fly?]", "{y} flew south for the winter.")
    t.ask("[What did {x} give to {y}?|What did {y} take along?]", "{x} gave {y} {o.a}.")
    t.ask("[Did {y} come back?|When did {y} come back?]", "Yes, {y} came back in spring, with the {o}.")
    t.ask("[Why was {x} sad?|Why was the winter long?]", "Because {y} was far away.")
    return "[Friends may go far and still be near|Whoever loves you comes back]."


def plot_pull(t):
    """Something is stuck, and the smallest is what was missing."""
    t.v["z"], t.v["u"] = t.who(skills=("strong",)), t.who(skills=("small",))
    t.v["stuck"] = t.r.choice(["in the mud", "between two rocks", "in a hollow tree", "in the gate", "in the ice"])
    t.para(t.open(), "One day, {p}, {x} found {o.a}. [It was stuck {stuck}.|But it was stuck {stuck}.] {x} pulled and pulled, but it [did not move|only squeaked|would not come out].")
    t.para("{x} called {y} the {y.kind}. {y} held {x}, {x} held the {o}, and they pulled and pulled, but it did not move. {y} called {z} the {z.kind}, [the strongest of all|who could carry a house]. {z} held {y}, {y} held {x}, {x} held the {o}, and they pulled and pulled, but it did not move.",
           "Then came {u} the {u.kind}. \"May I help?\" asked {u}. [Everybody laughed.|{z} laughed so hard that the ground shook.] \"[You? You are as small as a crumb|You are much too small],\" said {z}. But {u} [took hold at the very end|held on to the last of them], and they pulled once more.")
    t.para("And pop! Out came the {o}, and everybody fell [in a heap|over everybody else|on top of {z}]. \"[That was you|You did it|It was only you that we needed],\" said {x} to {u}. \"[It was all of us|I only pulled a little],\" said {u}, and turned [red|pink]. [They carried the {o} home and had a feast.|That night there was a feast, and {u} sat at the head of the table.]", t.echo())
    t.ask("[What was stuck?|What did {x} find?]", "{o.a} was stuck {stuck}.")
    t.ask("[Who was the strongest?|Who laughed?]", "{z} the {z.kind}.")
    t.ask("[Who came last?|Who was the smallest?|Who helped in the end?]", "{u} the {u.kind}, the smallest of all.")
    t.ask("[Where was the {o}?|Where did they find it?]", "It was stuck {stuck}, {p}.")
    return "[Nobody is too small to help|Sometimes only a little is missing]."


MACHINES = [("fly", "flew over the fence and into the pond", "Splash"), ("fly", "flew over two hens and into a haystack", "Thump"),
            ("make soup by itself", "made soup on the floor, on the walls, and on the neighbours", "Splat"),
            ("catch dreams", "caught three flies and a sock", "Plop"), ("clean the house", "swept the chairs out of the window", "Crash"),
            ("tickle the moon", "tickled only the postman", "Hee hee")]


def plot_machine(t):
    """An invention, and what it does instead."""
    t.v["use"], t.v["instead"], t.v["sound"] = t.r.choice(MACHINES)
    t.v["part"], t.v["part2"] = t.r.sample(["an old wheel", "a broken clock", "nine corks", "a bent spoon", "a teapot", "two umbrellas", "a ball of string", "half a bicycle"], 2)
    t.para(t.open(), "{x} wanted to build a machine that could {use}. [There was {part}, and there was {part2}|In the barn there was {part}, and on the road lay {part2}], but something was still missing in the middle.",
           "{y} the {y.kind} came to look. \"[It needs {o.a}|What it needs is {o.a}],\" said {y}, [and went to get one|who knew a great deal about machines|and happened to have one].")
    t.para("They [hammered and screwed|worked and worked] [for three days|all week|until the moon was tired]. At last it was ready. [All the neighbours came to see it.|The whole village came to look.] {x} [pulled the string|turned the handle|pushed the button]. [It hummed. It shook.|It coughed. It smoked.] {sound}!",
           "The machine {instead}. [It was very quiet for a moment.|Nobody said a word.] Then somebody began to laugh, and then everybody did, [most of all {x}|even {y}, who was covered in oil].")
    t.para("\"[Well|So|There],\" said {x}, \"it does not {use}, but [it makes people laugh, and that is harder|nobody was bored].\" \"[Tomorrow we shall try it with two of them|Tomorrow we take a bigger {o}],\" said {y}. [They are still building.|And that is why there is a {o} on {x}'s roof.]", t.echo())
    t.ask("[What did {x} build?|What was the machine for?|What did {x} want?]", "{x} wanted to build a machine that could {use}.")
    t.ask("[What did the machine do?|Did it work?|Did the machine work?]", "No, the machine {instead}.")
    t.ask("[What was missing?|What did the machine need?]", "It needed {o.a}.")
    t.ask("[Who helped {x}?]", "{y} the {y.kind} helped {x}.")
    return "[What goes wrong may still be good|It is worth trying, even if it goes splash]."


# The plots, and what their tales are said to be about.
PLOTS = [
    (plot_lost, "helping|something lost|helping each other"), (plot_wish, "a wish|wishes|dreams"), (plot_gift, "a present|a birthday|giving"),
    (plot_fear, "courage|fear|being afraid|a brave friend"), (plot_quarrel, "a quarrel|sharing|two friends"), (plot_race, "a race|winning|running"),
    (plot_noise, "a noise|a ghost|the night"), (plot_trick, "a lie|a trick|magic"), (plot_plant, "waiting|a garden|friendship"),
    (plot_storm, "a storm|a small house|rain"), (plot_farewell, "a journey|saying goodbye|winter"), (plot_pull, "being small|working together|something stuck"),
    (plot_machine, "a machine|an invention|something funny"),
]


def odd_word(r):
    return "".join(r.choices(w.SYLLABLES.split(), k=r.choice((2, 2, 3))))


def any_kind(r):
    c = r.random()
    return r.choice(list(KINDS)) if c < .7 else r.choice(w.RARE_KINDS.split()) if c < .9 else odd_word(r)


def any_thing(r):
    c = r.random()
    return r.choice(list(THING_CLASS)) if c < .7 else r.choice(w.RARE_THINGS.split()) if c < .9 else odd_word(r)


def any_name(r):
    return r.choice(NAMES[r.choice(["she", "he"])]) if r.random() < .7 else odd_word(r).capitalize()


def tell(r, wish):
    """A tale as wished: (title, text, questions with answers)."""
    t = Tale(r, wish)
    plot = wish.get("plot") or r.choice(PLOTS)[0]
    t.v["moral"] = t.text(plot(t))
    t.ask("[What was the {x.kind}'s name?|What was the {x.kind} called?|What is the name of the {x.kind}?]", "The {x.kind} was called {x}.")
    t.ask("[Who is the story about?|Who was it about?]", "It is about {x}, the {x.kind}.")
    t.ask("[What was {y}?|Who was {y}?]", "{y} was a {y.kind}.")
    t.ask("[What was {x}?|Who was {x}?]", "{x} was a {trait} {x.kind}.")
    t.ask("[What does it mean?|What is the moral?|What can I learn from it?|What does the story teach?]", "{moral}")
    title = t.text("[The {x.kind} and the {o}|{x} and the {o}|{x} and {y}|The {trait} {x.kind}|The {x.kind} and the {y.kind}]")
    return " ".join(v.capitalize() if v not in ("and", "the") else v for v in title.split(" ")), "\n\n".join(t.paragraphs), t.questions


def wish_for(r):
    """What somebody wants to hear: (the wish, how it is put)."""
    kind, thing, friend, name = any_kind(r), any_thing(r), any_kind(r), any_name(r)
    if friend == kind:
        friend = "mouse" if kind != "mouse" else "owl"
    plot, themes = r.choice(PLOTS)
    shapes = [
        (5, dict(kind=kind, thing=thing), "[about|with] a {kind} and a {thing}"), (3, dict(kind=kind), "about a {kind}"),
        (2, dict(thing=thing), "about a {thing}"), (1, dict(kind=kind, name=name), "about a {kind} [called|named] {name}"),
        (1, dict(name=name), "about {name}"), (1, dict(kind=kind, name=name, thing=thing), "about {name} the {kind} and a {thing}"),
        (2, dict(kind=kind, friend=friend, plot=r.choice([plot_gift, plot_fear, plot_quarrel, plot_race, plot_noise, plot_plant, plot_storm, plot_pull, plot_machine, plot_wish])), "about a {kind} and a {friend}"),
        (2, dict(plot=plot), "about " + r.choice(themes.split("|"))), (1, dict(kind=kind, plot=plot), "about a {kind} and " + r.choice(themes.split("|"))),
        (1.5, {}, ""),
    ]
    _, wish, put = r.choices(shapes, [s[0] for s in shapes])[0]
    return wish, put.format(**{k: v for k, v in wish.items() if isinstance(v, str)})


def loosely(r, text):
    """As people type: now and then without capitals or full stops."""
    if r.random() < .2:
        text = text.lower()
    return text.rstrip(".?!") if r.random() < .25 else text


def flat(r, template):
    while CHOICE.search(template):
        template = CHOICE.sub(lambda m: r.choice(m[1].split("|")), template)
    return tidy(template)


def request(r, put):
    return loosely(r, flat(r, r.choice([
        "Tell me a [|||short|little|good] story %s.", "Tell me a story %s.", "Tell me a story %s.", "[Please tell|Can you tell|Tell] me a tale %s.", "Write a story %s.", "I [want|would like] to hear a story %s.",
        "A story %s, please.", "[Do you know|Can you tell me] a story %s?", "story %s"]) % put).replace(" .", ".").replace(" ?", "?").replace(" ,", ","))


def small_talk(r, self_name):
    me = "I am %s, and I tell little stories." % self_name if self_name else "I am a very small model, and I tell little stories."
    name = "My name is %s." % self_name if self_name else "I have no name. I am a very small model, and I tell little stories."
    return r.choice([
        ("[Hello|Hi|Good morning|Good evening|Hey][!|.|, how are you?]", "[Hello|Good day]! Would you like to hear a story?"),
        ("[Who are you|What are you|What can you do]?", me), ("[What is your name|What are you called]?", name),
        ("[Thank you|Thanks|That was nice|I like it|What a nice story|Very good][!|.]", "[You are welcome|I am glad]! Would you like another one?"),
        ("[Good night|Goodbye|Bye|No|No, thank you|No, thanks][!|.]", "[Good night|Goodbye], and sweet dreams!"),
    ])


def talk(r, stories):
    """Messages of a talk with some stories in it, and questions about the last."""
    messages, self_name, left = [], None, stories
    say = lambda role, text: messages.append({"role": role, "content": text})
    if r.random() < .2:
        self_name = any_name(r)
        say("system", flat(r, "[You are %s, a storyteller.|Your name is %s.|You are %s.|You are called %s, and you tell stories.]").replace("%s", self_name))
    elif r.random() < .1:
        say("system", flat(r, "[You are a helpful assistant.|You tell stories.|Be kind.]"))
    if r.random() < .12 or not stories:
        q, a = small_talk(r, self_name)
        say("user", loosely(r, flat(r, q))), say("assistant", flat(r, a))
    while left:
        wish, put = wish_for(r)
        if r.random() < .07:
            kind = r.choice(list(KINDS))
            say("user", loosely(r, r.choice(STRANGE) + "?")), say("assistant", flat(r, "[That I do not know|I am too small to know that|I know only stories]. But I know a story about a %s. [Shall I tell it|Would you like to hear it]?" % kind))
            wish, put = {"kind": kind}, None
            say("user", loosely(r, flat(r, "[Yes|Yes, please|Please do|Go on|Tell it|Oh yes].")))
        elif messages and messages[-1]["role"] == "assistant" and r.random() < .35:
            wish = {}
            say("user", loosely(r, flat(r, "[Another one|Tell me another one|One more|Tell me another story|Another story|Yes, please|Yes], please.").replace("please, please", "please")))
        else:
            say("user", request(r, put))
        _, text, questions = tell(r, wish)
        say("assistant", text)
        left -= 1
        for q, a in r.sample(questions, min(len(questions), r.choice([1, 2, 3, 4]))):
            say("user", loosely(r, q)), say("assistant", a)
        if r.random() < .12:
            q, a = small_talk(r, self_name)
            say("user", loosely(r, flat(r, q))), say("assistant", flat(r, a))
    return messages


def free_wish(r):
    """What a tale without a listener is about: anything, seldom something rare."""
    wish = {}
    if r.random() < .3:
        wish["kind"] = any_kind(r)
    if r.random() < .3:
        wish["thing"] = any_thing(r)
    return wish


def book(r, stories):
    """Tales as text, with their titles, and a line of stars between them."""
    if stories == 1 and r.random() < .2:
        wish, put = wish_for(r)
        return request(r, put) + "\n\n" + tell(r, wish)[1]
    tales = [tell(r, free_wish(r)) for _ in range(stories)]
    if stories == 1 and r.random() < .7:
        return tales[0][1]
    return BETWEEN.join(title + "\n\n" + text for title, text, _ in tales)


def document(r):
    """What is learned from: a text, or a list of messages."""
    stories = r.choices([0, 1, 2, 3, 4], [.03, .79, .1, .05, .03])[0]
    return talk(r, stories) if r.random() < .55 or not stories else book(r, stories)


def main():
    r = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    for _ in range(int(sys.argv[1])):
        d = document(r)
        print(d if isinstance(d, str) else "\n".join("<%s> %s" % (m["role"], m["content"]) for m in d), end="\n\n========\n\n")


if __name__ == "__main__":
    main()
