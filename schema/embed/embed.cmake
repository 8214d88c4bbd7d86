# cmake -DFILES=a.js|b.css -DNAME=name -DOUT=name.c -P embed.cmake
# Writes a C file that holds the files as they are, and the table of them.
set(known_js "text/javascript; charset=utf-8")
set(known_css "text/css; charset=utf-8")
set(known_html "text/html; charset=utf-8")
set(known_svg "image/svg+xml")
set(known_txt "text/plain; charset=utf-8")

string(REPLACE "|" ";" files "${FILES}")
set(blocks "")
set(rows "")
set(count 0)
foreach(file IN LISTS files)
    cmake_path(GET file FILENAME name)
    cmake_path(GET file EXTENSION LAST_ONLY type)
    string(SUBSTRING "${type}" 1 -1 type)
    if(NOT DEFINED known_${type})
        message(FATAL_ERROR "${file}: no content type for .${type}")
    endif()
    file(SHA256 "${file}" sum)
    string(SUBSTRING "${sum}" 0 16 sum)
    string(APPEND blocks
        "__asm__(\".section .rodata\\n\"\n"
        "        \"${NAME}_${count}:\\n\"\n"
        "        \".incbin \\\"${file}\\\"\\n\"\n"
        "        \"${NAME}_${count}_end:\\n\"\n"
        "        \".byte 0\\n.previous\\n\");\n"
        "HIDDEN ${NAME}_${count}[];\nHIDDEN ${NAME}_${count}_end[];\n")
    file(SIZE "${file}" size)
    string(APPEND rows
        "    {\"${name}\", \"${known_${type}}\", \"\\\"${sum}\\\"\",\n"
        "     ${NAME}_${count}, ${size}},\n")
    math(EXPR count "${count} + 1")
endforeach()
file(WRITE "${OUT}"
    "#include \"embed.h\"\n"
    "#define HIDDEN extern const unsigned char __attribute__((visibility(\"hidden\")))\n"
    "${blocks}"
    "static const struct embed_file files[] = {\n${rows}};\n"
    "extern const struct embed_files ${NAME};\n"
    "const struct embed_files ${NAME} = {files, ${count}};\n")
