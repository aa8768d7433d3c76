# words.py -- the words of the tales: who may be in them, what, and where.

# What a character can do decides whom the others need. A kind: its name, and "fly", "climb", "swim", "dig", "strong", "small" or "".
KINDS = """
owl fly|robin fly|crow fly|sparrow fly|bat fly|swallow fly|magpie fly|heron fly|pigeon fly
squirrel climb|cat climb|monkey climb|lizard climb
otter swim|duck swim|frog swim|beaver swim|turtle swim|swan swim|seal swim
mole dig|badger dig|rabbit dig|dog dig
bear strong|ox strong|horse strong|moose strong|elephant strong|giant strong
mouse small|ant small|beetle small|snail small|cricket small|shrew small
fox|wolf|hedgehog|goat|sheep|cow|pig|donkey|hen|deer|hare|goose|lamb|toad|lion|tiger
girl|boy|baker|miller|tailor|shepherd|sailor|princess|king|queen|witch|wizard|robot|dragon|ghost|troll
"""

# A character of these is always a she, or always a he.
SHE = "girl princess queen witch hen cow"
HE = "boy king wizard ox"

NAMES_SHE = """Mila Rosa Tilda Wren Hazel Juno Olive Ada Poppy Nell Ivy Greta Luna Fern Dot Maud Elsa Pearl Betty Ruby Clara Hetty
Molly Tansy Willa Nora Edith Bea Flora Minna"""
NAMES_HE = """Pip Bram Otto Felix Hugo Tom Ned Rufus Jasper Moss Olaf Gus Barnaby Finn Wilf Edgar Toby Milo Abel Hob Archie Basil
Oscar Perkin Sam Leo Theo Jack Bert Ambrose"""

# Things by their class, which says what one does with them.
THINGS = dict(
    light="lantern candle lamp",
    sound="drum bell whistle fiddle flute trumpet",
    warm="blanket scarf coat hat sock cloak",
    tool="spoon key rope ladder net broom bucket basket needle hammer spade",
    toy="kite ball doll marble boat wagon",
    treasure="button coin ring feather shell pebble mirror map book clock cup teapot umbrella",
    food="cake pie pear pumpkin loaf cheese turnip bun",
)
COLOURS = "red blue green yellow golden silver white brown"
LOOKS = "little old round shiny crooked tiny striped painted wooden plain"
FOOD_LOOKS = "little round warm big golden sweet crooked tiny"

# A place: how one is there, and its name.
PLACES = """behind the old mill|by the river|in the dark wood|on the hill|in the meadow|at the market|under the stone bridge
in the garden|by the pond|in the barn|by the lighthouse|beside the well|behind the bakery|in the quiet cave|at the harbour
under the apple tree|at the crossroads|by the waterfall|in the empty castle|behind the church"""

HOMES = """in a [little|crooked|yellow|narrow] house [at the edge of the wood|by the sea|on a hill|behind the mill|at the end of the lane]
in a village [where it always smelled of bread|between two hills|by a slow river|so small that it had only one chimney]
in a [hollow tree|teapot-shaped house|house with a round door|house with too many stairs] [near the river|in the valley|by the road]
at the top of a [very tall|rather windy|green] hill
where the [road ends|river meets the sea|mountains begin]"""

# A trait: what is said of it at first, and what comes of it in the end. Both may be a choice.
TRAITS = dict(
    brave="{x} was afraid of nothing, except [soup|geese|the colour yellow|buttons|Mondays].=And {x} was never afraid again, except [a little|of soup|on Mondays|in the bath].",
    curious="{x} asked so many questions that [even the wind grew tired|the clouds hurried past|the teacher hid in a cupboard].=\"But why?\" asked {x}. That, however, is another story.",
    sleepy="{x} could fall asleep anywhere, even in the middle of a [sentence|sneeze|soup|stair].={x} wanted to say something wise about it, but was already asleep.",
    tidy="Every morning {x} swept the path, and every evening {x.he} [swept it back|counted the stones|combed the grass].=Then {x} swept the path, for it was [late|Tuesday|nearly morning] and a path is a path.",
    proud="{x} thought that [the sun rose only to look at {x.him}|mirrors were made for {x.him} alone|nobody bowed low enough].=And {x}, who had been so proud, said thank you, and found that it did not hurt.",
    shy="{x} was so shy that {x.he} [whispered to daisies|hid from {x.his} own shadow|said good morning only to stones].=And {x}, who always whispered, laughed out loud.",
    forgetful="{x} once forgot {x.his} own birthday, and was very surprised by the cake.={x} forgot many things after that, but never that day.",
    grumpy="{x} had not smiled since [a Tuesday long ago|the soup of last winter|the day of the wet socks].=And {x} smiled, first with one corner of the mouth, and then with both.",
    polite="{x} was so polite that {x.he} said [good morning to stones|excuse me to doors|thank you to the rain].=\"Thank you,\" said {x} to [the moon|the stones|the door], just to be polite.",
    hungry="{x} was always hungry, most of all [after dinner|before breakfast|on stairs].=And then, of course, {x} had supper. Twice.",
    clumsy="{x} could trip over [a shadow|a flat floor|the word carpet].=On the way home {x} tripped over nothing at all, and nobody laughed louder than {x}.",
    noisy="{x} was so noisy that [thunder asked for quiet|the clocks stopped to listen|snow fell off the roofs].=For once {x} was quiet, and it was a happy quiet.",
    lonely="{x} set the table for two each evening, in case [somebody came|the moon was hungry|a friend got lost].=That evening {x} set the table for two, and both chairs were full.",
    cheerful="{x} whistled all day, [even in the rain|even in the bath|mostly the same tune].=And all the way home {x} whistled, and the road seemed short.",
    stubborn="When {x} said no, [even the wind went around|the donkeys took notes|it stayed no until spring].=\"No,\" said {x}, when they asked whether it had been hard. But {x.he} winked.",
    slow="{x} was so slow that [moss made plans|breakfast became lunch|the snails waved from in front].=And {x} went home slowly, because it was a day worth keeping.",
    clever="{x} could count to a hundred, and [skipped the dull numbers|back again|knew what came after].={x} had learned something that one cannot count.",
    small="{x} was so small that [rain fell past {x.him}|a hat was a house to {x.him}|{x.he} bathed in a spoon].=And {x}, the smallest of all, felt as tall as a tree.",
    dreamy="{x} looked at the clouds so long that [they began to look back|{x.his} tea went cold|birds sat down on {x.him}].=That night {x} dreamed of it all, and it was just as good the second time.",
)

# Words that come seldom: from these the model learns to take over a word that it has never seen.
RARE_KINDS = """penguin camel dinosaur unicorn parrot crocodile hippo giraffe zebra panda koala kangaroo whale dolphin octopus crab shark
spider butterfly bee wasp worm caterpillar llama buffalo raccoon weasel hamster gorilla eagle falcon stork peacock raven pelican
ostrich flamingo gecko snake pirate knight farmer fisherman teacher doctor clown painter cook gardener soldier astronaut mermaid
goblin elf fairy vampire monster alien snowman scarecrow puppet princeling programmer compiler librarian captain judge cowboy nurse
plumber pilot grandmother grandfather baby ballerina detective inventor postman"""
RARE_THINGS = """telescope piano guitar violin bicycle train computer telephone television rocket balloon carrot banana cookie sandwich
strawberry potato tomato onion egg sausage pancake diamond crown sword shield helmet arrow compass anchor barrel bottle box chair
table pillow carpet curtain window door chimney brick wheel engine bus tractor trumpet harp accordion pencil crayon notebook newspaper
letter stamp ticket passport camera magnet battery robot toaster kettle saucepan fork knife plate bowl jug vase flower rose tulip
sunflower cactus mushroom acorn leaf stick snowball cloud star moon rainbow river mountain island sandcastle starfish pearl necklace
bracelet glove boot shoe jacket jumper skirt tie zip thread ribbon parcel puzzle dice card skateboard sledge hammock tent torch"""
SYLLABLES = "ba be bi bo bu da di do du fa fi fo ga go gu ka ki ko ku la le li lo lu ma mi mo mu na ni no nu pa pi po pu ra ri ro ru sa si so ta ti to tu va vi vo wa wi za zi zo zu"

# What the model cannot know, and what it is asked nevertheless.
STRANGE = """What is the capital of France|What is two plus two|Who won the war|How do I bake bread|What is the weather today|Write a poem
What time is it|Who is the president|How far away is the moon|Can you do my homework|What is the meaning of life|Write some code
How does a computer work|Translate this into German|What is 7 times 8|Where is Paris|Do you like music|What is a compiler|How old is the sun
Tell me the news|Who wrote Hamlet|How tall is a giraffe|What should I eat|Can you sing|Give me a recipe|How much is the fish"""
