# Turns the file FROM into the C text TO.
file(READ ${FROM} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "((0x..,){12})" "\\1\n    " bytes "${bytes}")
file(WRITE ${TO} "#include \"profile.h\"\n\n"
     "const char profiles_built_in[] = {\n    ${bytes}0};\n")
