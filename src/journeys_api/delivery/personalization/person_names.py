"""The pools of `%Random:FirstName%` and `%Random:LastName%`: names that are common, and therefore nobody's."""

_FIRST = """
    Aaron Abigail Adam Adele Adrian Agnes Alan Albert Alex Alexander Alexandra Alfred Alice Alicia Alison Amanda
    Amber Amy Ana Andrea Andrew Angela Anita Ann Anna Anthony Antonia Arthur Ashley Audrey Austin Barbara Beatrice
    Benjamin Bernard Beth Bianca Brandon Brenda Brian Bridget Bruce Caleb Cameron Carla Carlos Carmen Caroline
    Catherine Cecilia Charles Charlotte Chloe Christian Christina Christopher Claire Clara Claudia Colin Connor
    Craig Daisy Daniel Daniela David Dean Deborah Dennis Diana Diego Dominic Donald Donna Dorothy Douglas Dylan
    Edith Edward Eleanor Elena Eliza Elizabeth Ella Ellen Emily Emma Eric Erica Esther Ethan Eva Evan Evelyn Felix
    Fiona Florence Frances Frank Gabriel Gary Gavin George Georgia Gerald Gloria Grace Graham Grant Gregory Hannah
    Harold Harriet Harry Hazel Heather Hector Helen Henry Holly Howard Hugo Ian Ida Irene Iris Isaac Isabel
    Isabella Ivan Jack Jacob James Jane Janet Jason Jean Jennifer Jeremy Jessica Joan Joel John Jonathan Jordan
    Joseph Joshua Joyce Juan Judith Julia Julian Juliet Justin Karen Katherine Kathleen Keith Kelly Kenneth Kevin
    Kimberly Kyle Laura Lauren Lawrence Leah Leo Leonard Liam Lillian Linda Lisa Logan Louis Louise Lucas Lucy
    Luis Luke Lydia Madison Marcus Margaret Maria Marie Marina Mario Mark Martha Martin Mary Mason Matthew Max
    Megan Melanie Melissa Mia Michael Michelle Miguel Miles Miriam Molly Monica Nancy Naomi Natalie Nathan
    Nicholas Nicole Nina Noah Nora Oliver Olivia Oscar Owen Pamela Patricia Patrick Paul Paula Peter Philip Phoebe
    Rachel Ralph Raymond Rebecca Richard Robert Robin Roger Rosa Rose Ruby Russell Ruth Ryan Samantha Samuel
    Sandra Sara Sarah Scott Sean Sebastian Sharon Simon Sofia Sonia Sophie Stella Stephanie Stephen Steven Susan
    Sylvia Teresa Theodore Thomas Timothy Tina Tobias Tracy Valerie Vanessa Vera Veronica Victor Victoria Vincent
    Violet Virginia Walter Wayne Wendy William Yvonne Zachary Zoe
"""
_LAST = """
    Adams Alexander Allen Anderson Armstrong Arnold Atkinson Austin Bailey Baker Ball Barker Barnes Barrett Bates
    Bell Bennett Berry Bishop Black Blake Bowen Boyd Bradley Brooks Brown Bryant Burke Burns Burton Butler Byrne
    Campbell Carr Carroll Carter Chambers Chapman Clark Clarke Cole Coleman Collins Cook Cooper Cox Craig Crawford
    Cruz Cunningham Curtis Daniels Davidson Davies Davis Dawson Day Dean Diaz Dixon Doyle Duncan Dunn Edwards
    Elliott Ellis Evans Farrell Ferguson Fernandez Fisher Fleming Fletcher Ford Foster Fox Francis Franklin Fraser
    Freeman Garcia Gardner George Gibson Gilbert Gill Gomez Gonzalez Goodwin Gordon Graham Grant Gray Green Greene
    Griffin Griffiths Hall Hamilton Hansen Harper Harris Harrison Hart Harvey Hawkins Hayes Henderson Henry
    Hernandez Hicks Hill Hoffman Holland Holmes Howard Hudson Hughes Hunt Hunter Jackson Jacobs James Jenkins
    Jennings Jensen Johnson Johnston Jones Jordan Kelley Kelly Kennedy Kim King Knight Lambert Lane Larson
    Lawrence Lawson Lee Lewis Little Lloyd Long Lopez Lowe Lynch Marshall Martin Martinez Mason Matthews May
    Mendoza Meyer Miller Mills Mitchell Moore Morales Morgan Morris Morrison Murphy Murray Myers Nelson Newman
    Nguyen Nichols Nolan Norris Oliver Olson Ortiz Owens Page Palmer Parker Parsons Patel Patterson Pearson Perez
    Perkins Perry Peters Peterson Phillips Pierce Porter Powell Price Quinn Ramirez Ramos Ray Reed Reid Reyes
    Reynolds Rice Richards Richardson Riley Rivera Roberts Robertson Robinson Rodriguez Rogers Rose Ross Ruiz
    Russell Ryan Sanchez Sanders Saunders Schmidt Scott Shaw Simmons Simpson Sims Sinclair Smith Snyder Spencer
    Stephens Stevens Stewart Stone Sullivan Sutton Taylor Thomas Thompson Thomson Torres Tucker Turner Vargas
    Wagner Walker Wallace Walsh Ward Warren Washington Watkins Watson Weaver Webb Weber Wells West Wheeler White
    Williams Williamson Wilson Wood Woods Wright Young
"""
FIRST_NAMES = tuple(_FIRST.split())
LAST_NAMES = tuple(_LAST.split())
