"""Tables of stand-alone trainings: the truth that supernets and searches are held against."""
